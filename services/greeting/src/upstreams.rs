//! The services that this one calls: all together, answered in declared order.

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
    grpc::GREETING,
    missing::Missing,
    settings::MESSAGE_LIMIT,
};

/// Every upstream of one service, in declared order.
pub(crate) struct Upstreams {
    topology: Arc<Topology>,
    policy: Policy,
    called: Vec<(ServiceName, Upstream)>,
}

/// What upstreams answered.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) greetings: Vec<Greeting>,
    /// What was forgiven, here or further on.
    pub(crate) missing: Missing,
}

impl Upstreams {
    pub(crate) fn new(topology: Arc<Topology>, policy: Policy, called: Vec<(ServiceName, Upstream)>) -> Self {
        Self { topology, policy, called }
    }

    /// Hands `own` to every upstream at once and answers with all their greetings, in declared order.
    ///
    /// # Errors
    /// Under [`Policy::Strict`] the first failure; the calls still under way are dropped, and so cancelled down
    /// to the leaves. Under [`Policy::Partial`] none: a failed upstream is missing from the answer.
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
                    tracing::warn!(upstream = %name, %error, "forgiven");
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
    let missing = Missing::told_by(name, answer.metadata());
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
            let mut client = GreetingServiceClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT);
            // Boxed, for it is large, and every future around it would be moved about with it.
            Box::pin(async move { client.greeting(request).await })
        })
        .await
}
