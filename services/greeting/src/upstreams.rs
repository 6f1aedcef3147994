//! The services that this one calls: concurrently, with their answers in declared order.

use std::sync::Arc;

use futures_util::future::try_join_all;
use http::HeaderMap;
use octet_proto::greeting::v3::{self as proto, greeting_service_client::GreetingServiceClient};
use octet_runtime::{
    deadline::Deadline,
    upstream::{CallError, Failure, Upstream},
};
use octet_topology::{Policy, ServiceName, Topology};
use tonic::{Code, Request, Response, Status, metadata::MetadataMap};

use crate::{
    failure::{GreetError, all_late, at_upstream},
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

/// How one call ended that did not fail all others at once.
enum Outcome {
    Answered(Gathered),
    /// Its deadline passed.
    Late(Status),
}

impl Upstreams {
    pub(crate) fn new(topology: Arc<Topology>, policy: Policy, called: Vec<(ServiceName, Upstream)>) -> Self {
        Self { topology, policy, called }
    }

    /// Sends `own` to every upstream concurrently and returns all their greetings, in declared order.
    ///
    /// # Errors
    /// Under [`Policy::Strict`] the first failure; the calls in flight are dropped, and so cancelled down to the
    /// leaves. If the deadline has passed at an upstream, it passes at its siblings too: they may still say so, until the
    /// deadline here, and the error names all of them. Under [`Policy::Partial`] never: the answer omits a failed upstream
    /// and reports it as missing.
    pub(crate) async fn greet_all(
        &self,
        own: &Greeting,
        deadline: Deadline,
        carried: &HeaderMap,
    ) -> Result<Gathered, GreetError> {
        let theirs = deadline.at_upstream();
        let calls = self.called.iter().map(|(name, upstream)| async move {
            match (greet(upstream, own, deadline, carried).await, self.policy) {
                (Ok(answer), _) => Ok(Outcome::Answered(gathered(name, answer))),
                (Err(error), Policy::Strict) => {
                    let status = at_upstream(&self.topology, name, &error.status);
                    if is_late(&error, theirs) {
                        Ok(Outcome::Late(status))
                    } else {
                        Err(GreetError::Upstream(status))
                    }
                }
                (Err(error), Policy::Partial) => {
                    tracing::warn!(upstream = %name, %error, "upstream failed; omitted (partial policy)");
                    let missing = Missing::upstream(name, error.status.code());
                    Ok(Outcome::Answered(Gathered { greetings: Vec::new(), missing }))
                }
            }
        });
        let mut all = Gathered::default();
        let mut late = Vec::new();
        for outcome in try_join_all(calls).await? {
            match outcome {
                Outcome::Answered(answer) => {
                    all.greetings.extend(answer.greetings);
                    all.missing.extend(answer.missing);
                }
                Outcome::Late(status) => late.push(status),
            }
        }
        if late.is_empty() { Ok(all) } else { Err(GreetError::Upstream(all_late(&self.topology, &late))) }
    }
}

/// Whether a call failed because the deadline passed, here or at the upstream, whose own deadline is not before `theirs`.
/// An upstream that reports `DEADLINE_EXCEEDED` earlier has another reason for it, and fails the call at once.
fn is_late(error: &CallError, theirs: Deadline) -> bool {
    match error.failure {
        Failure::DeadlinePassed => true,
        Failure::Answered => error.status.code() == Code::DeadlineExceeded && theirs.has_passed(),
        Failure::NotProcessed | Failure::Interrupted | Failure::InvalidResponse => false,
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
