//! `/zipkin/api/v2/*`: passes reads on unchanged.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use octet_runtime::propagation::X_REQUEST_ID;
use tonic::Code;

use super::backend::{Backend, Reply};
use crate::{admit::Caller, edge};

/// Characters of a backend's error message that are passed on.
const MAX_REASON: usize = 200;

/// The backend's headers that reach the client.
const PASSED: [header::HeaderName; 3] = [header::CACHE_CONTROL, header::ETAG, header::LAST_MODIFIED];

pub(super) async fn pass(State(backend): State<Backend>, request: Request) -> Response {
    let path = request.uri().path_and_query().map(http::uri::PathAndQuery::as_str).unwrap_or_default();
    let Some(path) = path.strip_prefix("/zipkin").filter(|path| stays_below(path)) else {
        return edge::no_route(request.uri().path());
    };
    match backend.get(path, Caller::of(request.extensions()), request.headers().get(X_REQUEST_ID)).await {
        Ok(reply) if reply.status.is_success() => passed(reply),
        Ok(reply) => refused(&reply),
        Err(error) => error.into_response(),
    }
}

/// Whether no segment of the path could lead the backend out of its API.
fn stays_below(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default().to_ascii_lowercase();
    let plain = path.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace('\\', "/");
    plain.split('/').all(|segment| segment != "." && segment != "..")
}

fn passed(reply: Reply) -> Response {
    // Everything else is plain text: to a browser, a page of the backend would be a page of the platform.
    let kind = if reply.is_json() { "application/json" } else { "text/plain; charset=utf-8" };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for name in PASSED {
        if let Some(value) = reply.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    (reply.status, headers, Body::new(reply.body)).into_response()
}

/// The backend's error in the gateway's own form, with the backend's message if it sent one.
fn refused(reply: &Reply) -> Response {
    let code = match reply.status {
        StatusCode::BAD_REQUEST => Code::InvalidArgument,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        status if status.is_client_error() => Code::FailedPrecondition,
        // The client need not be able to follow a redirect.
        _ => return super::QueryError::NotZipkin.into_response(),
    };
    let body = reply.body.joined();
    let json: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    let message = json.as_ref().and_then(|json| json.get("message")?.as_str()).map(str::to_owned);
    let text = String::from_utf8_lossy(&body);
    // A page is not a message.
    let plain = || (!text.trim_start().starts_with(['<', '{'])).then(|| text.trim().to_owned());
    let reason = message.or_else(plain).filter(|reason| !reason.is_empty());
    let reason = reason.unwrap_or_else(|| super::QueryError::Failed(reply.status).to_string());
    let reason: String = reason.replace(char::is_control, " ").chars().take(MAX_REASON).collect();
    edge::error(reply.status, code, &reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_out_of_the_api_is_refused() {
        for path in ["/api/v2/trace/00aa", "/api/v2/traces?a=../b", "/api/v2/spans?serviceName=a..b"] {
            assert!(stays_below(path), "{path}");
        }
        for path in ["/api/v2/../x", "/api/v2/%2E%2e/x", "/api/v2/a%2f..%2fx", "/api/v2/..\\x", "/api/v2/."] {
            assert!(!stays_below(path), "{path}");
        }
    }
}
