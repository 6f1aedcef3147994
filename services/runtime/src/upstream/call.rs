//! Calls an upstream over a lazy channel, with a deadline, and retries where that is safe.

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use tonic::{Code, Response, Status};

use super::{
    Balance, CallError, CallPolicy, GrpcChannel, UpstreamAddress, UpstreamMetrics, UpstreamSettings,
    attempts::Attempts,
    connect::Connector,
    names,
    policy::Retries,
    pool::Pool,
    resolve::{self, literal},
    trial::Trial,
};
use crate::{
    deadline::Deadline,
    faults::{Faults, PREVIOUS_ATTEMPTS},
    logs::{self, HEADERS},
    metrics::{GrpcCall, GrpcMetrics, RpcKind},
    telemetry::GrpcSpan,
};

/// A service that this process calls. Clones share its connections.
#[derive(Clone)]
pub struct Upstream {
    name: String,
    address: UpstreamAddress,
    connections: Connections,
    balance: Balance,
    settings: UpstreamSettings,
    calls: GrpcMetrics,
    metrics: UpstreamMetrics,
    /// The most time for a call.
    limit: Option<Duration>,
    retries: Option<Arc<Retries>>,
    faults: Option<Faults>,
}

/// The connections to an upstream.
#[derive(Clone)]
pub(super) enum Connections {
    /// To its only address.
    One(GrpcChannel),
    /// To each of its addresses.
    Several(Arc<Pool>),
}

impl Upstream {
    /// Prepares the connections. The first call connects; after a broken connection the next call reconnects. Names are
    /// resolved by a task that ends with the last clone.
    ///
    /// `caller` is the name of this process in its spans, which its calls contain.
    pub fn new(
        name: impl Into<String>,
        caller: &str,
        address: &UpstreamAddress,
        settings: UpstreamSettings,
        metrics: &UpstreamMetrics,
    ) -> Self {
        let (name, connector) = (name.into(), Connector::new(caller));
        let only = address.only().and_then(|only| Some((literal(only)?, only.clone())));
        let connections = if let Some((address, authority)) = only {
            Connections::One(connector.connect(address, authority))
        } else {
            let pool = Arc::new(Pool::new(&name, connector, &metrics.addresses));
            names::keep(&pool, address.all(), resolve::System);
            Connections::Several(pool)
        };
        Self {
            calls: metrics.calls.for_upstream(&name),
            metrics: metrics.clone(),
            name,
            address: address.clone(),
            connections,
            balance: Balance::default(),
            settings,
            limit: None,
            retries: None,
            faults: None,
        }
    }

    /// Calls by this policy.
    #[must_use]
    pub fn with_policy(mut self, policy: CallPolicy) -> Self {
        let CallPolicy { deadline, balance, retry } = policy;
        self.limit = deadline;
        self.balance = balance.unwrap_or_default();
        if retry.is_some() {
            self.metrics.show_retries(&self.name);
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
        let call = self.calls.start_as(path, kind);
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
        let mut attempts = Attempts {
            upstream: self,
            connect_wait: if kind.client_streams() { Duration::ZERO } else { self.settings.connect_wait },
            retries: self.retries.as_deref().filter(|_| !kind.client_streams()),
            faults: self.faults.as_ref().filter(|faults| is_faulted(path) && faults.may_act(propagated)),
            deadline,
            propagated,
            is_marked: false,
            tried: Vec::new(),
            trial: None,
        };
        let outcome = attempts.run(&mut span, send).await;
        let in_flight = InFlight { call, span, trial: attempts.trial };
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
        self.metrics.count_retry(&self.name, outcome);
    }

    pub(super) fn connections(&self) -> &Connections {
        &self.connections
    }

    pub(super) fn balance(&self) -> Balance {
        self.balance
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
    /// The address that serves it, where there are several.
    trial: Option<Trial>,
}

impl InFlight {
    /// Records how the call ended.
    pub fn end(self, outcome: Result<(), &Status>) {
        if let Some(mut trial) = self.trial {
            trial.note(outcome);
        }
        self.call.end(outcome.err().map_or(Code::Ok, Status::code));
        self.span.end(outcome);
    }
}

/// Whether faults act on calls of this path: never on health checks and reflection.
fn is_faulted(path: &str) -> bool {
    !path.starts_with("/grpc.")
}
