//! gRPC: unary calls of the Greeting service.

use octet_proto::greeting::v3::{GreetingRequest, greeting_service_client::GreetingServiceClient};
use octet_runtime::upstream::{Failure, classify};
use tokio::time::timeout_at;
use tonic::{
    Code, Request, Status,
    metadata::MetadataMap,
    transport::{Channel, Endpoint},
};

use super::{Exchange, TRACE_RESPONSE, Wish};
use crate::{outcome::Outcome, target::Target, trace_response::TraceResponse};

/// Clones share the connection, which heals itself.
#[derive(Clone)]
pub(crate) struct Client(Option<GreetingServiceClient<Channel>>);

impl Client {
    pub(super) fn new(target: &Target) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{}", target.authority)).ok();
        Self(endpoint.map(|endpoint| GreetingServiceClient::new(endpoint.tcp_nodelay(true).connect_lazy())))
    }

    pub(super) async fn send(&mut self, wish: &Wish) -> Exchange {
        let Some(client) = &mut self.0 else { return Exchange::failed(Outcome::Other) };
        let mut request = Request::new(GreetingRequest::default());
        *request.metadata_mut() = MetadataMap::from_headers(wish.headers.clone());
        match timeout_at(wish.deadline, client.greeting(request)).await {
            Ok(Ok(response)) => {
                let trace = trace_of(response.metadata());
                Exchange { outcome: Outcome::of_code(Code::Ok), trace, body: None }
            }
            Ok(Err(status)) => {
                Exchange { outcome: outcome(&status), trace: trace_of(status.metadata()), body: None }
            }
            Err(_) => Exchange::failed(Outcome::Timeout),
        }
    }
}

/// The server's own status, or what failed below it: tonic makes statuses for the transport's failures too.
fn outcome(status: &Status) -> Outcome {
    match classify(status) {
        Failure::Answered => Outcome::of_code(status.code()),
        Failure::InvalidResponse => Outcome::InvalidResponse,
        Failure::DeadlinePassed => Outcome::Timeout,
        Failure::NotProcessed | Failure::Interrupted => Outcome::of_transport(status),
    }
}

fn trace_of(metadata: &MetadataMap) -> Option<TraceResponse> {
    metadata.get(TRACE_RESPONSE.as_str()).and_then(|value| TraceResponse::recorded(value.to_str().ok()?))
}
