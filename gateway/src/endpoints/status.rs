//! `/api/status/{code}`: an answer with any status, to see what stands between does with it.

use axum::{
    Router,
    extract::{Path, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use tonic::Code;

use crate::edge;

pub(crate) fn router() -> Router {
    Router::new().route("/api/status/{code}", any(status))
}

/// 200 to 599, by any method; what is none of these is 400. An error's body is the one of every error.
async fn status(path: Result<Path<String>, PathRejection>) -> Response {
    // What is no text is no number either.
    let code = path.map_or_else(|_| String::new(), |Path(code)| code);
    let asked =
        Some(&code).filter(|code| code.len() == 3 && code.bytes().all(|digit| digit.is_ascii_digit()));
    let asked = asked.and_then(|code| StatusCode::from_bytes(code.as_bytes()).ok());
    let Some(status) = asked.filter(|status| (200..=599).contains(&status.as_u16())) else {
        let message = "the status must be a number from 200 to 599";
        return edge::error(StatusCode::BAD_REQUEST, Code::InvalidArgument, message);
    };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    if matches!(status.as_u16(), 204 | 205 | 304) {
        return (status, no_store).into_response();
    }
    let reason = status.canonical_reason().unwrap_or("no name");
    let answer = if status.as_u16() < 400 {
        let body = serde_json::json!({ "status": status.as_u16(), "reason": reason });
        (status, edge::json(body.to_string())).into_response()
    } else {
        edge::error(status, code_of(status), reason)
    };
    (no_store, answer).into_response()
}

/// The gRPC code whose HTTP status it is; UNKNOWN for others, as gRPC's own mapping has it.
fn code_of(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 => Code::Aborted,
        429 => Code::ResourceExhausted,
        499 => Code::Cancelled,
        500 => Code::Internal,
        501 => Code::Unimplemented,
        503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        _ => Code::Unknown,
    }
}
