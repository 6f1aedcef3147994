//! Answers that the edge gives itself.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tonic::Code;

/// A JSON answer.
pub(crate) fn json(body: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

/// GATEWAY.md's error body, for errors that arise at the edge itself.
pub(crate) fn error(status: StatusCode, code: Code, message: &str) -> Response {
    let body = serde_json::json!({ "code": i32::from(code), "message": message, "details": [] });
    (status, json(body.to_string())).into_response()
}

/// 405, as HTTP has it, with the methods that are served.
pub(crate) fn not_allowed(method: &str, path: &str, allow: &str) -> Response {
    let message = format!("{method} is not served on {path}: {allow} is");
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, Code::Unimplemented, &message);
    if let Ok(allow) = HeaderValue::try_from(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}
