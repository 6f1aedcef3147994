//! gRPC health (`grpc.health.v1`): readiness, overall and under each of the service's names; and, as `liveness`, that
//! the process answers.

use std::time::Duration;

use octet_health::{ServingStatus, Statuses};
use octet_proto::greeting::v3::greeting_service_server::SERVICE_NAME;
use octet_runtime::{admin::Readiness, drain::Drain};

/// How often readiness is checked for clients that watch.
const INTERVAL: Duration = Duration::from_millis(500);

/// The name for an orchestrator's liveness probe. A service that waits for its store is alive but not ready: a restart
/// would repair nothing and interrupt its other work.
const LIVENESS: &str = "liveness";

/// The names of readiness: the overall name, the proto service and the service's name in the mesh.
pub(crate) struct Names([String; 3]);

impl Names {
    pub(crate) fn new(service: &str) -> Self {
        Self([String::new(), SERVICE_NAME.to_owned(), service.to_owned()])
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// The statuses that [`follow`] updates: NOT_SERVING until the first check, but alive at once.
pub(crate) fn statuses(names: &Names) -> Statuses {
    let statuses = Statuses::new([LIVENESS], ServingStatus::Serving);
    statuses.set(names.iter(), ServingStatus::NotServing);
    statuses
}

/// Reports readiness until the listeners close, and then ends every `Watch`.
pub(crate) async fn follow(statuses: Statuses, names: Names, readiness: Readiness, drain: Drain) {
    let mut reported = ServingStatus::NotServing;
    loop {
        let status = match readiness.check().await {
            Ok(()) => ServingStatus::Serving,
            Err(_) => ServingStatus::NotServing,
        };
        if status != reported {
            statuses.set(names.iter(), status);
            reported = status;
        }
        tokio::select! {
            () = drain.started() => break,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
    statuses.set(names.iter(), ServingStatus::NotServing);
    drain.closing().await;
    statuses.end_watches();
}
