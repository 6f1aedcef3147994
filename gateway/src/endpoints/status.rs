//! `/api/status/{code}`: returns any status, to show how proxies in between handle it.

use axum::{
    Extension, Router,
    extract::{Path, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use tonic::Code;

use crate::edge::{self, Labels};

pub(crate) fn router() -> Router {
    Router::new().route("/api/status/{code}", any(status))
}

/// 200 to 599 with any method; everything else is 400.
async fn status(Extension(labels): Extension<Labels>, path: Result<Path<String>, PathRejection>) -> Response {
    // Hundreds of statuses that clients choose would be hundreds of series.
    labels.set_status_by_class();
    // A path that is not UTF-8 is not a number either.
    let code = path.map_or_else(|_| String::new(), |Path(code)| code);
    let is_number = code.len() == 3 && code.bytes().all(|digit| digit.is_ascii_digit());
    let status = StatusCode::from_bytes(code.as_bytes()).ok().filter(|_| is_number);
    let Some(status) = status.filter(|status| (200..=599).contains(&status.as_u16())) else {
        let message = "the status must be a number from 200 to 599";
        return edge::error(StatusCode::BAD_REQUEST, Code::InvalidArgument, message);
    };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    if matches!(status.as_u16(), 204 | 205 | 304) {
        return (status, no_store).into_response();
    }
    let reason = status.canonical_reason().unwrap_or("unassigned status");
    let response = if status.as_u16() < 400 {
        let body = serde_json::json!({ "status": status.as_u16(), "reason": reason });
        (status, edge::json(body.to_string())).into_response()
    } else {
        edge::error(status, code_of(status), reason)
    };
    (no_store, response).into_response()
}

/// The gRPC code that has this HTTP status; UNKNOWN for others, as in gRPC's own mapping.
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
