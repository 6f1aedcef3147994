//! Responses that the edge makes itself.

use axum::{
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use tonic::Code;

/// A JSON response.
pub(crate) fn json(body: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

/// An error that arises at the edge, with the error body of docs/gateway.md.
pub(crate) fn error(status: StatusCode, code: Code, message: &str) -> Response {
    let body = serde_json::json!({ "code": i32::from(code), "message": message, "details": [] });
    (status, json(body.to_string())).into_response()
}

/// 503 with `Retry-After`.
pub(crate) fn overloaded(message: &str) -> Response {
    let mut response = error(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, message);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// 404.
pub(crate) fn no_route(path: &str) -> Response {
    error(StatusCode::NOT_FOUND, Code::NotFound, &format!("no route for {path}"))
}

/// 405. `allow` names the allowed methods, unless the router adds them.
pub(crate) fn not_allowed(method: &Method, path: &str, allow: Option<&str>) -> Response {
    let message = format!("method {method} is not allowed for {path}");
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, Code::Unimplemented, &message);
    if let Some(Ok(allow)) = allow.map(HeaderValue::try_from) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}
