//! What every request has at the edge, whoever answers it: an id, a line in the log, a duration in the metrics.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use octet_runtime::{
    logs::{self, HEADERS},
    metrics::{HistogramVec, Metrics},
    propagation::X_REQUEST_ID,
};
use tonic::Code;
use tracing::{Instrument, Span};

/// The longest id that is taken from a client, in bytes.
const LONGEST_ID: usize = 128;

/// The route a request took, for metrics: a path would make a series of each.
#[derive(Debug, Clone)]
pub(crate) struct Route(pub(crate) String);

/// `http_server_request_duration_seconds`, named as OpenTelemetry's semantic conventions have it.
pub(crate) fn metrics(metrics: &Metrics) -> Result<HistogramVec, prometheus::Error> {
    metrics.seconds(
        "http_server_request_duration_seconds",
        "Seconds from a request's head to its answer's head",
        &["http_request_method", "http_route", "http_response_status_code"],
    )
}

/// Gives the request an id, and writes down how it ended.
pub(crate) async fn observe(seconds: HistogramVec, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id(request.headers().get(X_REQUEST_ID));
    request.headers_mut().insert(X_REQUEST_ID, id.clone());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();

    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());

    let span = logs::request_span(id.to_str().unwrap_or_default(), None);
    let mut observed = Observed {
        seconds,
        span: span.clone(),
        begun,
        method,
        path,
        route: matched.unwrap_or_default(),
        status: CLIENT_LEFT,
    };
    observed.show(request.headers());
    let mut response = next.run(request).instrument(span).await;
    response.headers_mut().insert(X_REQUEST_ID, id);
    let (status, shown) = (response.status().as_u16(), || logs::shown(response.headers()));
    tracing::debug!(target: HEADERS, parent: &observed.span, status, headers = %shown(), "response sent");
    observed.status = response.status().as_u16();
    if let Some(Route(route)) = response.extensions_mut().remove() {
        observed.route = route;
    }
    response
}

/// nginx's "client closed request": nobody was there any more to be told another status.
const CLIENT_LEFT: u16 = 499;

/// A request under way. Written down when dropped, which is also how a client that leaves is noticed.
struct Observed {
    seconds: HistogramVec,
    span: Span,
    begun: Instant,
    method: Method,
    path: String,
    route: String,
    status: u16,
}

impl Observed {
    fn show(&self, headers: &HeaderMap) {
        let Self { span, method, path, .. } = self;
        let shown = || logs::shown(headers);
        tracing::debug!(target: HEADERS, parent: span, %method, path, headers = %shown(), "request received");
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let took = self.begun.elapsed();
        let labels = [known(&self.method), &self.route, &self.status.to_string()];
        self.seconds.with_label_values(&labels).observe(took.as_secs_f64());
        let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let Self { method, path, status, .. } = self;
        self.span.in_scope(|| tracing::info!(%method, path, status, duration_us, "answered"));
    }
}

/// A JSON answer.
pub(crate) fn json(body: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

/// GATEWAY.md's error body, for errors that arise at the edge itself.
pub(crate) fn error(status: StatusCode, code: Code, message: &str) -> Response {
    let body = serde_json::json!({ "code": i32::from(code), "message": message, "details": [] });
    (status, json(body.to_string())).into_response()
}

/// The path exists, but not for this method; the router adds `Allow`.
pub(crate) async fn method_not_allowed(request: Request) -> Response {
    let message = format!("{} is not served on {}", request.method(), request.uri().path());
    error(StatusCode::METHOD_NOT_ALLOWED, Code::Unimplemented, &message)
}

/// The client's own id, if it can be one; else a new one.
fn request_id(sent: Option<&HeaderValue>) -> HeaderValue {
    let usable = |id: &&HeaderValue| !id.is_empty() && id.len() <= LONGEST_ID && id.to_str().is_ok();
    sent.filter(usable).cloned().unwrap_or_else(|| {
        // Hexadecimal digits and hyphens are a header value.
        HeaderValue::try_from(uuid::Uuid::new_v4().to_string()).unwrap_or(HeaderValue::from_static("-"))
    })
}

/// Methods that a client makes up are one series.
pub(crate) fn known(method: &Method) -> &str {
    match method.as_str() {
        name @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => name,
        _ => "_OTHER",
    }
}
