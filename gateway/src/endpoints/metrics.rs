//! `/api/metrics`: the gateway's own metrics, for clients that cannot reach its admin port.

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use octet_runtime::metrics::Metrics;
use tonic::Code;

use crate::edge;

pub(crate) fn router(metrics: Metrics) -> Router {
    Router::new().route("/api/metrics", get(text)).with_state(metrics)
}

async fn text(State(metrics): State<Metrics>, headers: HeaderMap) -> Response {
    match metrics.exposition(&headers) {
        Ok((format, text)) => {
            let headers = [
                (header::CONTENT_TYPE, format),
                (header::CACHE_CONTROL, "no-store"),
                (header::VARY, "accept"),
            ];
            (headers, text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "cannot encode the metrics");
            let message = "cannot encode the metrics";
            edge::error(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, message)
        }
    }
}
