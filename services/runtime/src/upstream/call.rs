//! Calls an upstream over a lazy channel, with a deadline, and retries where that is safe.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use http::HeaderMap;
use tonic::{Code, Response, Status, transport::Endpoint};

use super::{
    CallError, CallPolicy, GrpcChannel, UpstreamAddress, UpstreamSettings,
    attempts::{Attempts, BUDGET_SPENT, RETRIED},
    caller,
    policy::Retries,
};
use crate::{
    deadline::Deadline,
    faults::{Faults, PREVIOUS_ATTEMPTS},
    logs::{self, HEADERS},
    metrics::{GrpcCall, GrpcMetrics, IntCounterVec, Metrics, RpcKind},
    telemetry::GrpcSpan,
};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Interval and timeout of HTTP/2 pings, by which a host that vanished without closing its connections is noticed.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// Flow-control windows in bytes. A stream that is not read holds up to its own window of the connection's: hyper's defaults
/// (2 of 5 MiB) let three such streams stall every other call. As many streams as the gateway admits fit in this
/// connection window, which is also the most that unread responses of one upstream can occupy.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 512 * STREAM_WINDOW;

/// Cancelled streams whose late frames are ignored.
const REMEMBERED_RESETS: usize = 1_024;

/// A service that this process calls. Clones share one connection.
#[derive(Clone)]
pub struct Upstream {
    name: String,
    address: UpstreamAddress,
    channel: GrpcChannel,
    settings: UpstreamSettings,
    metrics: GrpcMetrics,
    /// The most time for a call.
    limit: Option<Duration>,
    retries: Option<Arc<Retries>>,
    retried: Option<IntCounterVec>,
    faults: Option<Faults>,
}

impl Upstream {
    /// Prepares the channel. The first call connects; after a broken connection the next call reconnects.
    ///
    /// `caller` is the name of this process in its spans, which its calls contain.
    ///
    /// # Errors
    /// When the address is not a valid URI.
    pub fn new(
        name: impl Into<String>,
        caller: &str,
        address: &UpstreamAddress,
        settings: UpstreamSettings,
        metrics: &GrpcMetrics,
    ) -> Result<Self, tonic::transport::Error> {
        let mut endpoint = Endpoint::from_shared(address.uri())?;
        if let Some(user_agent) = caller::user_agent(caller) {
            endpoint = endpoint.user_agent(user_agent)?;
        }
        let channel = endpoint
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE.0)
            .keep_alive_timeout(KEEP_ALIVE.1)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_max_concurrent_reset_streams(REMEMBERED_RESETS)
            // h2 counts each late frame of a cancelled stream that it has forgotten as an error, and closes the connection
            // after 1,024 of them, with every call on it, however long that took. The upstream is trusted, and one that
            // does not read the resets fails the pings.
            .http2_max_local_error_reset_streams(None)
            .connect_lazy();
        let name = name.into();
        let channel = GrpcChannel::new(channel);
        Ok(Self {
            metrics: metrics.for_upstream(&name),
            name,
            address: address.clone(),
            channel,
            settings,
            limit: None,
            retries: None,
            retried: None,
            faults: None,
        })
    }

    /// Calls by this policy. `retried` counts retries by upstream and outcome.
    #[must_use]
    pub fn with_policy(mut self, policy: CallPolicy, retried: &IntCounterVec) -> Self {
        let CallPolicy { deadline, retry } = policy;
        self.limit = deadline;
        if retry.is_some() {
            for outcome in [RETRIED, BUDGET_SPENT] {
                retried.with_label_values(&[self.name.as_str(), outcome]);
            }
            self.retried = Some(retried.clone());
        }
        self.retries = retry.map(|policy| Arc::new(Retries::new(policy)));
        self
    }

    /// Lets these faults act on calls.
    #[must_use]
    pub fn with_faults(mut self, faults: &Faults) -> Self {
        self.faults = Some(faults.clone());
        self
    }

    /// The counter of retries by a policy, for [`with_policy`](Self::with_policy).
    ///
    /// # Errors
    /// Only a programming error can cause one.
    pub fn retries(metrics: &Metrics) -> Result<IntCounterVec, prometheus::Error> {
        let help = "Retries of failed calls by [[edge]] retry: made, or refused because the budget was spent";
        metrics.counter("octet_upstream_retries_total", help, &["upstream", "outcome"])
    }

    /// The upstream's name in the mesh.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls the RPC `path` by `attempt`, which is repeated only while the call was provably not processed, for up to
    /// `CONNECT_WAIT`, and never past `deadline`.
    ///
    /// `attempt` sends the headers that it receives: `propagated`, the remaining time, and the trace context.
    ///
    /// # Errors
    /// The upstream's own status; UNAVAILABLE when the transport failed; `DEADLINE_EXCEEDED`.
    pub async fn call<T, F>(
        &self,
        path: &str,
        deadline: Deadline,
        propagated: &HeaderMap,
        attempt: impl FnMut(GrpcChannel, HeaderMap) -> F,
    ) -> Result<Response<T>, CallError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let (response, in_flight) = self.start(path, RpcKind::Unary, deadline, propagated, attempt).await?;
        in_flight.end(Ok(()));
        Ok(response)
    }

    /// As [`call`](Self::call), for a response that streams: the call is measured, and its span lasts, until the stream
    /// has [ended](InFlight::end).
    ///
    /// From the response on, the caller enforces the deadline. Where the client streams, `attempt` runs once.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn start<T, F>(
        &self,
        path: &str,
        kind: RpcKind,
        deadline: Deadline,
        propagated: &HeaderMap,
        mut attempt: impl FnMut(GrpcChannel, HeaderMap) -> F,
    ) -> Result<(Response<T>, InFlight), CallError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let deadline = self.limited(deadline);
        let call = self.metrics.start_as(path, kind);
        let mut span = GrpcSpan::client(path, &self.name, self.address.host_and_port());
        let call = call.traced_by(&span);
        span.set_deadline(deadline);
        let send = |span: &GrpcSpan, channel: GrpcChannel, number: u32| {
            let mut headers = propagated.clone();
            deadline.write_to(&mut headers);
            if number > 0 {
                headers.insert(PREVIOUS_ATTEMPTS, number.into());
            }
            span.span().inject(&mut headers);
            let masked = || logs::masked(&headers);
            tracing::debug!(target: HEADERS, upstream = self.name, path, headers = %masked(), "request sent");
            attempt(channel, headers)
        };
        let attempts = Attempts {
            upstream: self,
            connect_wait: if kind.client_streams() { Duration::ZERO } else { self.settings.connect_wait },
            retries: self.retries.as_deref().filter(|_| !kind.client_streams()),
            faults: self.faults.as_ref().filter(|faults| is_faulted(path) && faults.may_act(propagated)),
            deadline,
            propagated,
            is_marked: AtomicBool::new(false),
        };
        let outcome = attempts.run(&mut span, send).await;
        let in_flight = InFlight { call, span };
        match outcome {
            Ok(response) => Ok((response, in_flight)),
            Err(error) => {
                in_flight.end(Err(&error.status));
                Err(error)
            }
        }
    }

    /// The deadline of a call that starts now, with the policy's own.
    #[must_use]
    pub fn limited(&self, deadline: Deadline) -> Deadline {
        self.limit.map_or(deadline, |limit| deadline.min(Deadline::after(limit)))
    }

    /// Counts a retry, or one that the budget refused.
    pub(super) fn count_retry(&self, outcome: &str) {
        if let Some(retried) = &self.retried {
            retried.with_label_values(&[self.name.as_str(), outcome]).inc();
        }
    }

    pub(super) fn channel(&self) -> GrpcChannel {
        self.channel.clone()
    }

    /// Logs the metadata of a response, including the trailers of a failure.
    pub(super) fn log_response<T>(&self, outcome: &Result<Response<T>, Status>) {
        let masked = || match outcome {
            Ok(response) => logs::masked(response.metadata().as_ref()),
            Err(status) => logs::masked(status.metadata().as_ref()),
        };
        let code = || outcome.as_ref().map_or_else(Status::code, |_| Code::Ok);
        let upstream = &self.name;
        tracing::debug!(target: HEADERS, upstream, code = ?code(), headers = %masked(), "response received");
    }
}

/// A call whose response streams. Dropped before its [end](InFlight::end), it counts as cancelled.
#[must_use = "a call is measured until it ends"]
pub struct InFlight {
    call: GrpcCall,
    span: GrpcSpan,
}

impl InFlight {
    /// Records how the call ended.
    pub fn end(self, outcome: Result<(), &Status>) {
        self.call.end(outcome.err().map_or(Code::Ok, Status::code));
        self.span.end(outcome);
    }
}

/// Whether faults act on calls of this path: never on health checks and reflection.
fn is_faulted(path: &str) -> bool {
    !path.starts_with("/grpc.")
}
