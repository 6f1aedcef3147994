//! `/api/health`: reports that the gateway runs, and as a detail whether its entry service can be reached.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::get,
};
use octet_proto::grpc::health::v1::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use octet_runtime::{deadline::Deadline, upstream::Upstream};
use serde_json::json;
use tokio::sync::Semaphore;
use tonic::metadata::MetadataMap;

use crate::edge;

/// How long the entry service may take to answer.
const TIMEOUT: Duration = Duration::from_secs(1);

const CHECK: &str = "/grpc.health.v1.Health/Check";

/// Concurrent checks of the entry service.
const MAX_CHECKS: usize = 16;

#[derive(Clone)]
struct Health {
    entry: Upstream,
    checks: Arc<Semaphore>,
}

pub(crate) fn router(entry: Upstream) -> Router {
    let checks = Arc::new(Semaphore::new(MAX_CHECKS));
    Router::new().route("/api/health", get(health)).with_state(Health { entry, checks })
}

/// Always 200: a load balancer must not take the gateway out of service because a service behind it is unavailable.
async fn health(State(health): State<Health>) -> Response {
    let (status, reason) = health.check().await;
    let body = json!({
        "status": "ok",
        "entry": { "service": health.entry.name(), "status": status, "reason": reason },
    });
    ([(header::CACHE_CONTROL, "no-store")], edge::json(body.to_string())).into_response()
}

impl Health {
    /// The entry service's status, and why it is unknown.
    async fn check(&self) -> (&'static str, String) {
        let unknown = ServingStatus::Unknown.as_str_name();
        let Ok(_permit) = self.checks.try_acquire() else {
            return (unknown, "too many concurrent checks".to_owned());
        };
        let deadline = Deadline::after(TIMEOUT);
        let checked = self
            .entry
            .call(CHECK, deadline, &HeaderMap::new(), |channel, headers| {
                let mut request = tonic::Request::new(HealthCheckRequest { service: String::new() });
                *request.metadata_mut() = MetadataMap::from_headers(headers);
                async move { HealthClient::new(channel).check(request).await }
            })
            .await;
        match checked {
            Ok(reply) => (reply.into_inner().status().as_str_name(), String::new()),
            Err(error) => (unknown, error.status.message().to_owned()),
        }
    }
}
