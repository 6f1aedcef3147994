//! The one way to call an upstream: a lazy channel, a deadline, and another try when that is safe.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Response, Status, transport::Endpoint};

use super::{
    CallError, Failure, GrpcChannel, UpstreamAddress, UpstreamSettings,
    classify::{classify, reason},
};
use crate::{
    deadline::Deadline,
    logs::{self, HEADERS},
    metrics::{GrpcCall, GrpcMetrics, RpcKind},
    telemetry::GrpcSpan,
};

/// For how long one TCP connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often an idle upstream is asked whether it still lives, and how long it may take to answer: a host
/// that vanished is noticed though no packet says so.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// The first wait between two tries; each next one is twice as long, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// A service that this process calls. Clones share one connection.
#[derive(Clone)]
pub struct Upstream {
    name: String,
    address: UpstreamAddress,
    channel: GrpcChannel,
    settings: UpstreamSettings,
    metrics: GrpcMetrics,
}

impl Upstream {
    /// Prepares the channel; the first call connects. A connection that broke is made anew by the next call.
    ///
    /// # Errors
    /// When the address has no form that a URI allows.
    pub fn new(
        name: impl Into<String>,
        address: &UpstreamAddress,
        settings: UpstreamSettings,
        metrics: &GrpcMetrics,
    ) -> Result<Self, tonic::transport::Error> {
        let channel = Endpoint::from_shared(address.uri())?
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE.0)
            .keep_alive_timeout(KEEP_ALIVE.1)
            .keep_alive_while_idle(true)
            .connect_lazy();
        let name = name.into();
        let channel = GrpcChannel::new(channel);
        Ok(Self { metrics: metrics.of(&name), name, address: address.clone(), channel, settings })
    }

    /// The upstream's name in the mesh.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls the RPC `path` by `attempt`, which is run again only while the call was provably not processed,
    /// for at most `CONNECT_WAIT`, and never past `deadline`.
    ///
    /// `attempt` sends the headers that it is given: those that are `carried` on, the time that is left then, and
    /// the trace that the upstream works for.
    ///
    /// # Errors
    /// The upstream's own status; UNAVAILABLE when the transport failed; `DEADLINE_EXCEEDED`.
    pub async fn call<T, F>(
        &self,
        path: &str,
        deadline: Deadline,
        carried: &HeaderMap,
        attempt: impl FnMut(GrpcChannel, HeaderMap) -> F,
    ) -> Result<Response<T>, CallError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let (answer, under_way) = self.begin(path, RpcKind::Unary, deadline, carried, attempt).await?;
        under_way.end(Ok(()));
        Ok(answer)
    }

    /// As [`call`](Self::call), for an answer that goes on when `attempt` has answered: the call is measured, and its
    /// span lasts, until what comes with the answer has [ended](UnderWay::end).
    ///
    /// The deadline is the caller's to heed from then on. Where the client streams, `attempt` runs once.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn begin<T, F>(
        &self,
        path: &str,
        kind: RpcKind,
        deadline: Deadline,
        carried: &HeaderMap,
        mut attempt: impl FnMut(GrpcChannel, HeaderMap) -> F,
    ) -> Result<(Response<T>, UnderWay), CallError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let call = self.metrics.begin_as(path, kind);
        let mut span = GrpcSpan::client(path, &self.name, self.address.host_and_port());
        span.deadline(deadline);
        let attempt = |span: &GrpcSpan| {
            let mut headers = carried.clone();
            deadline.write_to(&mut headers);
            span.span().write_to(&mut headers);
            let shown = || logs::shown(&headers);
            tracing::debug!(target: HEADERS, upstream = self.name, path, headers = %shown(), "request sent");
            attempt(self.channel.clone(), headers)
        };
        let patience = if kind.client_streams() { Duration::ZERO } else { self.settings.connect_wait };
        let tried = self.try_until_processed(&mut span, patience, attempt);
        let outcome = match timeout_at(deadline.instant(), tried).await {
            Ok(outcome) => outcome.map_err(CallError::of),
            Err(_) => Err(CallError::deadline_passed()),
        };
        let under_way = UnderWay { call, span };
        match outcome {
            Ok(answer) => Ok((answer, under_way)),
            Err(error) => {
                under_way.end(Err(&error.status));
                Err(error)
            }
        }
    }

    async fn try_until_processed<T, F>(
        &self,
        span: &mut GrpcSpan,
        patience: Duration,
        mut attempt: impl FnMut(&GrpcSpan) -> F,
    ) -> Result<Response<T>, Status>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let give_up = Instant::now() + patience;
        let mut wait = FIRST_WAIT;
        loop {
            let outcome = attempt(span).await;
            self.show_answer(&outcome);
            let status = match outcome {
                Ok(answer) => return Ok(answer),
                Err(status) => status,
            };
            let next_try = Instant::now() + jittered(wait);
            if classify(&status) != Failure::NotProcessed || next_try > give_up {
                return Err(status);
            }
            tracing::debug!(upstream = self.name, %status, "not processed: trying again");
            let pause = next_try.saturating_duration_since(Instant::now());
            if span.span().is_recording() {
                let told = [("wait", &*format!("{pause:?}")), ("reason", &*reason(&status))];
                span.span_mut().event("not processed: trying again", &told);
            }
            sleep(pause).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Logs the metadata of an answer; of a failure its trailers are among them.
    fn show_answer<T>(&self, outcome: &Result<Response<T>, Status>) {
        let shown = || match outcome {
            Ok(answer) => logs::shown(answer.metadata().as_ref()),
            Err(status) => logs::shown(status.metadata().as_ref()),
        };
        let code = || outcome.as_ref().map_or_else(Status::code, |_| Code::Ok);
        let upstream = &self.name;
        tracing::debug!(target: HEADERS, upstream, code = ?code(), headers = %shown(), "response received");
    }
}

/// A call whose answer has begun. Dropped before it [ended](UnderWay::end), it counts as cancelled.
#[must_use = "a call is measured until it ends"]
pub struct UnderWay {
    call: GrpcCall,
    span: GrpcSpan,
}

impl UnderWay {
    /// Tells how the call ended.
    pub fn end(self, outcome: Result<(), &Status>) {
        self.call.end(outcome.err().map_or(Code::Ok, Status::code));
        self.span.end(outcome);
    }
}

/// Between half of `wait` and the whole of it: callers that failed together do not come back together.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + fastrand::f64() / 2.0)
}
