//! The services that this one calls: concurrently, with their answers in declared order.

use std::sync::Arc;

use futures_util::future::try_join_all;
use http::HeaderMap;
use octet_proto::greeting::v3::{self as proto, greeting_service_client::GreetingServiceClient};
use octet_runtime::{
    deadline::Deadline,
    upstream::{CallError, Upstream},
};
use octet_topology::{Policy, ServiceName, Topology};
use tonic::{Request, Response, metadata::MetadataMap};

use crate::{
    failure::{GreetError, at_upstream},
    greeting::Greeting,
    missing::Missing,
    rpc::GREETING,
    settings::MAX_ANSWER,
};

/// Every upstream of one service, in declared order.
pub(crate) struct Upstreams {
    topology: Arc<Topology>,
    policy: Policy,
    called: Vec<(ServiceName, Upstream)>,
}

/// The answers of all upstreams.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) greetings: Vec<Greeting>,
    /// The upstreams whose failure was omitted, here or further down.
    pub(crate) missing: Missing,
}

impl Upstreams {
    pub(crate) fn new(topology: Arc<Topology>, policy: Policy, called: Vec<(ServiceName, Upstream)>) -> Self {
        Self { topology, policy, called }
    }

    /// Sends `own` to every upstream concurrently and returns all their greetings, in declared order.
    ///
    /// # Errors
    /// Under [`Policy::Strict`] the first failure; the calls in flight are dropped, and so cancelled down to the
    /// leaves. Under [`Policy::Partial`] never: the answer omits a failed upstream and reports it as missing.
    pub(crate) async fn greet_all(
        &self,
        own: &Greeting,
        deadline: Deadline,
        carried: &HeaderMap,
    ) -> Result<Gathered, GreetError> {
        let calls = self.called.iter().map(|(name, upstream)| async move {
            match (greet(upstream, own, deadline, carried).await, self.policy) {
                (Ok(answer), _) => Ok(gathered(name, answer)),
                (Err(error), Policy::Strict) => Err(at_upstream(&self.topology, name, &error.status)),
                (Err(error), Policy::Partial) => {
                    tracing::warn!(upstream = %name, %error, "upstream failed; omitted (partial policy)");
                    let missing = Missing::upstream(name, error.status.code());
                    Ok(Gathered { greetings: Vec::new(), missing })
                }
            }
        });
        let mut all = Gathered::default();
        for answer in try_join_all(calls).await? {
            all.greetings.extend(answer.greetings);
            all.missing.extend(answer.missing);
        }
        Ok(all)
    }
}

fn gathered(name: &ServiceName, answer: Response<proto::GreetingResponse>) -> Gathered {
    let missing = Missing::from_metadata(name, answer.metadata());
    let greetings = answer.into_inner().greeting.into_iter().map(Greeting::from).collect();
    Gathered { greetings, missing }
}

async fn greet(
    upstream: &Upstream,
    own: &Greeting,
    deadline: Deadline,
    carried: &HeaderMap,
) -> Result<Response<proto::GreetingResponse>, CallError> {
    upstream
        .call(GREETING, deadline, carried, |channel, headers| {
            let mut request = Request::new(proto::GreetingRequest { greeting: Some(own.clone().into()) });
            *request.metadata_mut() = MetadataMap::from_headers(headers);
            let mut client = GreetingServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER);
            // Boxed: it is large, and every future around it would grow with it.
            Box::pin(async move { client.greeting(request).await })
        })
        .await
}
