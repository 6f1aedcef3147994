//! `/api/health`: reports that the gateway runs, and as a detail whether its entry service can be reached.

use std::time::Duration;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::get,
};
use octet_runtime::{deadline::Deadline, upstream::Upstream};
use serde_json::json;
use tonic::metadata::MetadataMap;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::edge;

/// How long the entry service may take to answer.
const TIMEOUT: Duration = Duration::from_secs(1);

const CHECK: &str = "/grpc.health.v1.Health/Check";

pub(crate) fn router(entry: Upstream) -> Router {
    Router::new().route("/api/health", get(health)).with_state(entry)
}

/// Always 200: a load balancer must not take the gateway out of service because a service behind it is unavailable.
async fn health(State(entry): State<Upstream>) -> Response {
    let deadline = Deadline::after(TIMEOUT);
    let checked = entry
        .call(CHECK, deadline, &HeaderMap::new(), |channel, headers| {
            let mut request = tonic::Request::new(HealthCheckRequest { service: String::new() });
            *request.metadata_mut() = MetadataMap::from_headers(headers);
            async move { HealthClient::new(channel).check(request).await }
        })
        .await;
    let (status, reason) = match checked {
        Ok(answer) => (answer.into_inner().status().as_str_name(), String::new()),
        Err(error) => (ServingStatus::Unknown.as_str_name(), error.status.message().to_owned()),
    };
    let body = json!({
        "status": "ok",
        "entry": { "service": entry.name(), "status": status, "reason": reason },
    });
    ([(header::CACHE_CONTROL, "no-store")], edge::json(body.to_string())).into_response()
}
