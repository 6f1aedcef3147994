//! gRPC health (`grpc.health.v1`): readiness, overall and under each of the service's names; and, as `liveness`, that
//! the process answers.

use std::time::Duration;

use octet_proto::greeting::v3::greeting_service_server::SERVICE_NAME;
use octet_runtime::{admin::Readiness, drain::Drain};
use tonic_health::{
    ServingStatus,
    pb::health_server::{Health, HealthServer},
    server::HealthReporter,
};

/// How often readiness is checked for clients that watch.
const INTERVAL: Duration = Duration::from_millis(500);

/// The name for an orchestrator's liveness probe. A service that waits for its store is alive but not ready: a restart
/// would repair nothing and interrupt its other work.
const LIVENESS: &str = "liveness";

/// The overall name, the proto service and the service's name in the mesh.
pub(crate) struct Names([String; 3]);

impl Names {
    pub(crate) fn new(service: &str) -> Self {
        Self([String::new(), SERVICE_NAME.to_owned(), service.to_owned()])
    }
}

/// The service, and the reporter that [`follow`] updates. It reports NOT_SERVING until the first check, but alive at
/// once.
pub(crate) async fn service(names: &Names) -> (HealthReporter, HealthServer<impl Health>) {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status(LIVENESS, ServingStatus::Serving).await;
    report(&reporter, names, ServingStatus::NotServing).await;
    (reporter, service)
}

/// Reports readiness until the listeners close; then ends every `Watch`, which would otherwise keep its connection
/// open for the whole grace period.
pub(crate) async fn follow(mut reporter: HealthReporter, names: Names, readiness: Readiness, drain: Drain) {
    let mut reported = ServingStatus::NotServing;
    loop {
        let status = match readiness.check().await {
            Ok(()) => ServingStatus::Serving,
            Err(_) => ServingStatus::NotServing,
        };
        if status != reported {
            report(&reporter, &names, status).await;
            reported = status;
        }
        tokio::select! {
            () = drain.started() => break,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
    report(&reporter, &names, ServingStatus::NotServing).await;
    drain.closing().await;
    for name in names.0.iter().map(String::as_str).chain([LIVENESS]) {
        reporter.clear_service_status(name).await;
    }
}

async fn report(reporter: &HealthReporter, names: &Names, status: ServingStatus) {
    for name in &names.0 {
        reporter.set_service_status(name, status).await;
    }
}
