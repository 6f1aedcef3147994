//! The services that this one calls: concurrently, with their answers in declared order.

use std::sync::Arc;

use futures_util::future::try_join_all;
use http::HeaderMap;
use hyper::body::Bytes;
use octet_proto::greeting::v3::{self as proto, greeting_service_client::GreetingServiceClient};
use octet_runtime::{
    deadline::Deadline,
    faults::Faults,
    metrics::RpcKind,
    upstream::{CallError, Failure, Upstream},
};
use octet_topology::{Policy, Service, ServiceName, Topology};
use tokio::time::timeout_at;
use tonic::{Code, Request, Response, Status, metadata::MetadataMap};

use crate::{
    calls::Called,
    failure::{GreetError, all_late, at_upstream},
    greeting::Greeting,
    missing::Missing,
    padded,
    response_stream::Sink,
    rpc::{GREETING, GREETING_STREAM},
    settings::MAX_ANSWER,
};

/// Every upstream of one service, in declared order.
pub(crate) struct Upstreams {
    topology: Arc<Topology>,
    policy: Policy,
    /// The caller's name.
    own: ServiceName,
    called: Vec<Called>,
    /// The number of upstreams in each step.
    steps: Vec<usize>,
    faults: Faults,
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
    pub(crate) fn new(
        topology: Arc<Topology>,
        service: &Service,
        called: Vec<Called>,
        steps: Vec<usize>,
        faults: Faults,
    ) -> Self {
        Self { topology, policy: service.policy, own: service.name.clone(), called, steps, faults }
    }

    /// Sends `own` to every upstream, those of a step concurrently, and returns all their greetings, in declared order.
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
        self.call_all(own, deadline, carried, None).await
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
        self.call_all(own, deadline, carried, Some(sink)).await.map(|all| all.missing)
    }

    async fn call_all(
        &self,
        own: &Greeting,
        deadline: Deadline,
        carried: &HeaderMap,
        sink: Option<&Sink>,
    ) -> Result<Gathered, GreetError> {
        let theirs = deadline.at_upstream();
        let mut all = Gathered::default();
        let mut rest = self.called.as_slice();
        for length in &self.steps {
            let (step, others) = rest.split_at_checked(*length).unwrap_or((rest, &[]));
            rest = others;
            let calls = step.iter().map(|called| self.call(called, own, (deadline, theirs), carried, sink));
            let mut late = Vec::new();
            for outcome in try_join_all(calls).await? {
                match outcome {
                    Outcome::Answered(answer) => all.extend(answer),
                    Outcome::Late(status) => late.push(status),
                }
            }
            if !late.is_empty() {
                return Err(GreetError::Upstream(all_late(&self.topology, &late)));
            }
        }
        Ok(all)
    }

    /// Calls one upstream as often as its edge says, one call after the other.
    async fn call(
        &self,
        called: &Called,
        own: &Greeting,
        (deadline, theirs): (Deadline, Deadline),
        carried: &HeaderMap,
        sink: Option<&Sink>,
    ) -> Result<Outcome, GreetError> {
        let (name, caller) = (&called.name, self.own.as_str());
        let mut all = Gathered::default();
        if !called.is_made(&self.faults, caller, carried) {
            return Ok(Outcome::Answered(all));
        }
        for number in 0..called.times {
            let numbered = called.numbered(caller, carried, number);
            let headers = numbered.as_ref().unwrap_or(carried);
            let padding = called.padding(&self.faults, caller, carried, number);
            let answer = match sink {
                None => {
                    let answer = greet(&called.upstream, own, padding, deadline, headers).await;
                    answer.map(|answer| gathered(name, answer))
                }
                // Boxed: calls without a stream should not grow.
                Some(sink) => {
                    let trailers =
                        Box::pin(stream(&called.upstream, (own, padding), deadline, headers, sink)).await;
                    trailers.map(|trailers| Gathered {
                        greetings: Vec::new(),
                        missing: Missing::from_metadata(name, &trailers),
                    })
                }
            };
            match (answer, self.policy) {
                (Ok(answer), _) => all.extend(answer),
                (Err(error), Policy::Strict) => {
                    let status = at_upstream(&self.topology, name, &error.status);
                    return if is_late(&error, deadline, theirs) {
                        Ok(Outcome::Late(status))
                    } else {
                        Err(GreetError::Upstream(status))
                    };
                }
                (Err(error), Policy::Partial) => {
                    tracing::warn!(upstream = %name, %error, "upstream failed; omitted (partial policy)");
                    all.missing.extend(Missing::upstream(name, error.status.code()));
                }
            }
        }
        Ok(Outcome::Answered(all))
    }
}

impl Gathered {
    fn extend(&mut self, other: Self) {
        // Most answers are the only one: nothing is copied.
        if self.greetings.is_empty() {
            self.greetings = other.greetings;
        } else {
            self.greetings.extend(other.greetings);
        }
        self.missing.extend(other.missing);
    }
}

/// Whether a call failed because the deadline passed, here or at the upstream, whose own deadline is not before `theirs`.
/// An upstream that reports `DEADLINE_EXCEEDED` earlier has another reason for it, and fails the call at once, as does an
/// edge whose own deadline is earlier than the call's.
fn is_late(error: &CallError, own: Deadline, theirs: Deadline) -> bool {
    match error.failure {
        Failure::DeadlinePassed => own.has_passed(),
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
    padding: Option<Bytes>,
    deadline: Deadline,
    carried: &HeaderMap,
) -> Result<Response<proto::GreetingResponse>, CallError> {
    upstream
        .call(GREETING, deadline, carried, |channel, headers| {
            let greeting = Some(own.clone().into());
            let metadata = MetadataMap::from_headers(headers);
            let padding = padding.clone();
            // Boxed: it is large, and every future around it would grow with it.
            Box::pin(async move {
                if padding.is_some() {
                    return padded::greeting(channel, metadata, padded::Request { greeting, padding }).await;
                }
                let mut request = Request::new(proto::GreetingRequest { greeting });
                *request.metadata_mut() = metadata;
                let mut client = GreetingServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER);
                client.greeting(request).await
            })
        })
        .await
}

/// Passes the upstream's greetings on to `sink`. Returns the trailers.
async fn stream(
    upstream: &Upstream,
    (own, padding): (&Greeting, Option<Bytes>),
    deadline: Deadline,
    carried: &HeaderMap,
    sink: &Sink,
) -> Result<MetadataMap, CallError> {
    let started =
        upstream.start(GREETING_STREAM, RpcKind::ServerStream, deadline, carried, |channel, headers| {
            let greeting = Some(own.clone().into());
            let metadata = MetadataMap::from_headers(headers);
            let padding = padding.clone();
            Box::pin(async move {
                if padding.is_some() {
                    return padded::greeting_stream(channel, metadata, padded::Request { greeting, padding })
                        .await;
                }
                let mut request = Request::new(proto::GreetingRequest { greeting });
                *request.metadata_mut() = metadata;
                // A greeting can have a payload.
                let mut client = GreetingServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER);
                client.greeting_stream(request).await
            })
        });
    let deadline = upstream.limited(deadline);
    let (response, in_flight) = started.await?;
    let mut greetings = response.into_inner();
    let relayed = async {
        while let Some(mut greeting) = greetings.message().await? {
            // A payload travels one hop, as in a response that does not stream.
            greeting.padding = None;
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
