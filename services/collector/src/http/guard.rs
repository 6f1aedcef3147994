//! Keeps pages of other origins away: in a browser on this host, they can reach the collector too.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{Collector, Refusal};

/// Refuses requests of other origins, and reads under a host name that is not allowed.
///
/// A report has any host: Envoy sends its cluster's name. But a browser sends an `Origin` with each report, and then the
/// host, which is that of the origin, must be allowed.
pub(super) async fn check(State(collector): State<Collector>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut origins = parts.headers.get_all(header::ORIGIN).iter().peekable();
    let is_report = parts.method == Method::POST && origins.peek().is_none();
    if !origins.all(|origin| is_own(origin, &parts)) {
        let message = "requests of other origins are not allowed";
        return Refusal::new(StatusCode::FORBIDDEN, message).into_response();
    }
    if !is_report && !collector.hosts.accept(&parts) {
        let message = "host not allowed: use an IP address or a local name, or set ALLOWED_HOSTS";
        return Refusal::new(StatusCode::FORBIDDEN, message).into_response();
    }
    next.run(Request::from_parts(parts, body)).await
}

/// Whether an origin is that of the request's own host.
fn is_own(origin: &HeaderValue, request: &Parts) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    let host = match request.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers.get(header::HOST).and_then(|host| host.to_str().ok()),
    };
    origin.zip(host).is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host))
}
