//! Calls an upstream over a lazy channel, with a deadline, and retries where that is safe.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Response, Status, transport::Endpoint};

use super::{
    CallError, Failure, GrpcChannel, UpstreamAddress, UpstreamSettings, caller,
    classify::{classify, reason},
};
use crate::{
    backoff::Backoff,
    deadline::Deadline,
    logs::{self, HEADERS},
    metrics::{GrpcCall, GrpcMetrics, RpcKind},
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

/// The pause between two attempts.
const RETRY: Backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(100));

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
        Ok(Self { metrics: metrics.for_upstream(&name), name, address: address.clone(), channel, settings })
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
        let call = self.metrics.start_as(path, kind);
        let mut span = GrpcSpan::client(path, &self.name, self.address.host_and_port());
        span.set_deadline(deadline);
        let attempt = |span: &GrpcSpan| {
            let mut headers = propagated.clone();
            deadline.write_to(&mut headers);
            span.span().inject(&mut headers);
            let masked = || logs::masked(&headers);
            tracing::debug!(target: HEADERS, upstream = self.name, path, headers = %masked(), "request sent");
            attempt(self.channel.clone(), headers)
        };
        let connect_wait = if kind.client_streams() { Duration::ZERO } else { self.settings.connect_wait };
        // A timer that has expired still lets a response win that is there at once.
        let outcome = if deadline.has_passed() {
            Err(CallError::deadline_passed())
        } else {
            let response = self.retry_until_processed(&mut span, connect_wait, attempt);
            match timeout_at(deadline.instant(), response).await {
                Ok(outcome) => outcome.map_err(CallError::from_status),
                Err(_) => Err(CallError::deadline_passed()),
            }
        };
        let in_flight = InFlight { call, span };
        match outcome {
            Ok(response) => Ok((response, in_flight)),
            Err(error) => {
                in_flight.end(Err(&error.status));
                Err(error)
            }
        }
    }

    async fn retry_until_processed<T, F>(
        &self,
        span: &mut GrpcSpan,
        connect_wait: Duration,
        mut attempt: impl FnMut(&GrpcSpan) -> F,
    ) -> Result<Response<T>, Status>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let give_up = Instant::now() + connect_wait;
        let mut backoff = RETRY;
        loop {
            let outcome = attempt(span).await;
            self.log_response(&outcome);
            let status = match outcome {
                Ok(response) => return Ok(response),
                Err(status) => status,
            };
            let left = give_up.saturating_duration_since(Instant::now());
            if classify(&status) != Failure::NotProcessed || left.is_zero() {
                return Err(status);
            }
            // The last attempt starts when the wait expires, not up to a pause before.
            let pause = backoff.pause().min(left);
            tracing::debug!(upstream = self.name, %status, "not processed; retrying");
            if span.span().is_recording() {
                let attributes = [("wait", &*format!("{pause:?}")), ("reason", &*reason(&status))];
                span.span_mut().event("not processed; retrying", &attributes);
            }
            sleep(pause).await;
        }
    }

    /// Logs the metadata of a response, including the trailers of a failure.
    fn log_response<T>(&self, outcome: &Result<Response<T>, Status>) {
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
