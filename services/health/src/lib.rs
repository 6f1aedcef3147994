//! gRPC health (`grpc.health.v1`): the statuses that a process reports, and the service that answers with them.
//!
//! `Watch` of an unknown name reports `SERVICE_UNKNOWN` and stays open, and `List` reports every name, as the protocol
//! describes. Callers bound how many streams are open at once.

use std::{collections::BTreeMap, pin::Pin};

use futures_util::{Stream, stream};
pub use octet_proto::grpc::health::v1::health_check_response::ServingStatus;
use octet_proto::grpc::health::v1::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
    health_server::{Health, HealthServer},
};
use octet_runtime::compression;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

/// The start of the service's paths.
pub const PATH: &str = "/grpc.health.v1.Health/";

/// The path of its one streaming RPC.
pub const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// The largest request in bytes: an open `Watch` keeps its service's name in memory.
const MAX_REQUEST: usize = 1024;

/// The statuses that a process reports, by the name of the service; empty for the process. Clones share them.
#[derive(Debug, Clone)]
pub struct Statuses(watch::Sender<State>);

#[derive(Debug, Default)]
struct State {
    known: BTreeMap<String, ServingStatus>,
    has_ended: bool,
}

impl Statuses {
    /// Reports `status` for `names`.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>, status: ServingStatus) -> Self {
        let statuses = Self(watch::Sender::new(State::default()));
        statuses.set(names, status);
        statuses
    }

    /// Reports `status` for `names` from now on.
    pub fn set<'a>(&self, names: impl IntoIterator<Item = &'a str>, status: ServingStatus) {
        self.0
            .send_modify(|state| state.known.extend(names.into_iter().map(|name| (name.to_owned(), status))));
    }

    /// Ends every `Watch`, which would otherwise keep its connection open while the process drains.
    pub fn end_watches(&self) {
        self.0.send_modify(|state| state.has_ended = true);
    }

    /// The service.
    pub fn service(&self) -> HealthServer<impl Health> {
        let server = HealthServer::new(self.clone()).max_decoding_message_size(MAX_REQUEST);
        let [gzip, deflate] = compression::ENCODINGS;
        server.accept_compressed(gzip).accept_compressed(deflate)
    }

    fn of(&self, name: &str) -> Option<ServingStatus> {
        self.0.borrow().known.get(name).copied()
    }

    /// The status of `name`, and then each change of it.
    fn watch(&self, name: String) -> impl Stream<Item = ServingStatus> + use<> {
        let watching = (self.0.subscribe(), name, None);
        stream::unfold(watching, async |(mut changes, name, mut sent)| {
            loop {
                let (status, has_ended) = {
                    let state = changes.borrow_and_update();
                    let status = state.known.get(&name).copied().unwrap_or(ServingStatus::ServiceUnknown);
                    (status, state.has_ended)
                };
                if sent.replace(status) != Some(status) {
                    return Some((status, (changes, name, sent)));
                }
                if has_ended {
                    return None;
                }
                changes.changed().await.ok()?;
            }
        })
    }
}

#[tonic::async_trait]
impl Health for Statuses {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let status = self.of(&request.into_inner().service);
        status
            .map(|status| Response::new(response(status)))
            .ok_or_else(|| Status::not_found("unknown service"))
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        let state = self.0.borrow();
        let statuses = state.known.iter().map(|(name, status)| (name.clone(), response(*status)));
        Ok(Response::new(HealthListResponse { statuses: statuses.collect() }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        use futures_util::StreamExt;
        let statuses = Self::watch(self, request.into_inner().service);
        Ok(Response::new(Box::pin(statuses.map(|status| Ok(response(status))))))
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    #[tokio::test]
    async fn a_watch_reports_each_change_also_of_a_service_that_becomes_known() {
        let statuses = Statuses::new([""], ServingStatus::Serving);
        let mut process = Box::pin(Statuses::watch(&statuses, String::new()));
        let mut later = Box::pin(Statuses::watch(&statuses, "later".to_owned()));
        assert_eq!(process.next().await, Some(ServingStatus::Serving));
        assert_eq!(later.next().await, Some(ServingStatus::ServiceUnknown));
        assert_eq!(later.next().now_or_never(), None, "it stays open");

        statuses.set(["later"], ServingStatus::Serving);
        assert_eq!(later.next().await, Some(ServingStatus::Serving));
        assert_eq!(process.next().now_or_never(), None, "its status is the same");

        statuses.set(["", "later"], ServingStatus::NotServing);
        statuses.end_watches();
        for watch in [&mut process, &mut later] {
            assert_eq!(watch.next().await, Some(ServingStatus::NotServing));
            assert_eq!(watch.next().await, None);
        }
    }
}
