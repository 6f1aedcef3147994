//! Traces, as the platform's page reads them: from whatever speaks Zipkin's v2 API at `TRACE_QUERY_URL`.
//!
//! `/zipkin/api/v2/*` passes reads on; `/api/mesh` tells how each edge of the mesh does. No header of the client's
//! reaches the backend, and of the backend's none but what says how to read its answer.

mod backend;
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

/// Both routes; `backend` is `None` where nobody named one.
pub(crate) fn router(backend: Option<HttpUrl>) -> Router {
    Router::new()
        .route("/zipkin/api/v2/{*path}", get(pass::pass))
        .route("/api/mesh", get(mesh::mesh))
        .with_state(Backend::new(backend))
}

/// Why there is no answer from the backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("no trace backend is configured: set TRACE_QUERY_URL")]
    Unset,
    #[error("too many questions to the trace backend at once, try again later")]
    Busy,
    #[error("the trace backend cannot be reached")]
    Unreachable,
    #[error("the trace backend did not answer in time")]
    TimedOut,
    #[error("the trace backend's answer is larger than {0} bytes: ask for less")]
    TooLarge(usize),
    #[error("the trace backend answered {0}")]
    Failed(StatusCode),
    #[error("the trace backend does not speak Zipkin's v2 API")]
    NotZipkin,
}

impl IntoResponse for Trouble {
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
