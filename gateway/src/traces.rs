//! Traces for the UI, from a backend with Zipkin's v2 API at `TRACE_QUERY_URL`.
//!
//! `/zipkin/api/v2/*` passes reads on; `/api/mesh` reports calls, errors and latencies of each edge of the mesh. No header
//! of the client reaches the backend except its request id, and only the backend's content and cache headers reach the
//! client.

mod backend;
mod blocks;
mod mesh;
mod pass;

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
pub(crate) use backend::Backend;
use octet_runtime::http_url::HttpUrl;
use tonic::Code;

use crate::edge;

/// Both routes; `backend` is `None` if `TRACE_QUERY_URL` is unset.
pub(crate) fn router(backend: Option<HttpUrl>) -> Router {
    Router::new()
        .route("/zipkin/api/v2/{*path}", get(pass::pass))
        .route("/api/mesh", get(mesh::mesh))
        .with_state(Backend::new(backend))
}

/// Why a trace query failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueryError {
    #[error("no trace backend configured; set TRACE_QUERY_URL")]
    Unset,
    #[error("too many concurrent trace queries; try again later")]
    Busy,
    #[error("trace backend unreachable")]
    Unreachable,
    #[error("trace backend timed out")]
    TimedOut,
    #[error("trace backend response exceeds the limit of {0} bytes; query fewer traces")]
    TooLarge(usize),
    #[error("trace backend returned HTTP {0}")]
    Failed(StatusCode),
    #[error("trace backend does not speak Zipkin's v2 API")]
    NotZipkin,
}

impl IntoResponse for QueryError {
    fn into_response(self) -> Response {
        let (status, code) = match self {
            Self::Unset | Self::Busy | Self::Unreachable | Self::Failed(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable)
            }
            Self::TimedOut => (StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded),
            Self::TooLarge(_) => (StatusCode::BAD_GATEWAY, Code::ResourceExhausted),
            Self::NotZipkin => (StatusCode::BAD_GATEWAY, Code::Internal),
        };
        let mut response = edge::error(status, code, &self.to_string());
        if self == Self::Busy {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
