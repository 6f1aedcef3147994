//! The services that this one calls: concurrently, with their answers in declared order.

use std::sync::Arc;

use futures_util::future::try_join_all;
use http::HeaderMap;
use octet_proto::greeting::v3::{self as proto, greeting_service_client::GreetingServiceClient};
use octet_runtime::{
    deadline::Deadline,
    metrics::RpcKind,
    upstream::{CallError, Failure, Upstream},
};
use octet_topology::{Policy, ServiceName, Topology};
use tokio::time::timeout_at;
use tonic::{Code, Request, Response, Status, metadata::MetadataMap};

use crate::{
    failure::{GreetError, all_late, at_upstream},
    greeting::Greeting,
    missing::Missing,
    response_stream::Sink,
    rpc::{GREETING, GREETING_STREAM},
    settings::{MAX_ANSWER, MAX_REQUEST},
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
        self.call_all(deadline, |name, upstream| async move {
            greet(upstream, own, deadline, carried).await.map(|answer| gathered(name, answer))
        })
        .await
    }

    /// As [`greet_all`](Self::greet_all), but passes each greeting on to `sink` when it arrives. Returns the missing
    /// upstreams; of one that failed on the way, some greetings were passed on.
    ///
    /// # Errors
    /// As [`greet_all`](Self::greet_all).
    pub(crate) async fn stream_all(
        &self,
        own: &Greeting,
        deadline: Deadline,
        carried: &HeaderMap,
        sink: &Sink,
    ) -> Result<Missing, GreetError> {
        let all = self.call_all(deadline, |name, upstream| async move {
            let trailers = stream(upstream, own, deadline, carried, sink).await?;
            Ok(Gathered { greetings: Vec::new(), missing: Missing::from_metadata(name, &trailers) })
        });
        all.await.map(|all| all.missing)
    }

    /// Calls every upstream by `call`, concurrently.
    async fn call_all<'a, F>(
        &'a self,
        deadline: Deadline,
        call: impl Fn(&'a ServiceName, &'a Upstream) -> F,
    ) -> Result<Gathered, GreetError>
    where
        F: Future<Output = Result<Gathered, CallError>>,
    {
        let theirs = deadline.at_upstream();
        let calls = self.called.iter().map(async |(name, upstream)| {
            match (call(name, upstream).await, self.policy) {
                (Ok(answer), _) => Ok(Outcome::Answered(answer)),
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
            let mut client = GreetingServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER);
            let request = request(own, headers);
            // Boxed: it is large, and every future around it would grow with it.
            Box::pin(async move { client.greeting(request).await })
        })
        .await
}

/// Passes the upstream's greetings on to `sink`. Returns the trailers.
async fn stream(
    upstream: &Upstream,
    own: &Greeting,
    deadline: Deadline,
    carried: &HeaderMap,
    sink: &Sink,
) -> Result<MetadataMap, CallError> {
    let started =
        upstream.start(GREETING_STREAM, RpcKind::ServerStream, deadline, carried, |channel, headers| {
            let mut client = GreetingServiceClient::new(channel).max_decoding_message_size(MAX_REQUEST);
            let request = request(own, headers);
            Box::pin(async move { client.greeting_stream(request).await })
        });
    let (response, in_flight) = started.await?;
    let mut greetings = response.into_inner();
    let relayed = async {
        while let Some(greeting) = greetings.message().await? {
            sink.send(greeting).await;
        }
        Ok(greetings.trailers().await?.unwrap_or_default())
    };
    let relayed = match timeout_at(deadline.instant(), relayed).await {
        Ok(relayed) => relayed.map_err(CallError::from_status),
        Err(_) => Err(CallError::deadline_passed()),
    };
    in_flight.end(relayed.as_ref().map(|_| ()).map_err(|error| &error.status));
    relayed
}

fn request(own: &Greeting, headers: HeaderMap) -> Request<proto::GreetingRequest> {
    let mut request = Request::new(proto::GreetingRequest { greeting: Some(own.clone().into()) });
    *request.metadata_mut() = MetadataMap::from_headers(headers);
    request
}
