//! The gRPC side of the service: metadata in, greetings out, one status for every failure.

mod observed_call;

use std::{sync::Arc, time::Instant};

use octet_proto::greeting::v3::{self as proto, greeting_service_server::GreetingService};
use octet_runtime::{
    admission::{Admission, Admitted},
    deadline::Deadline,
    logs::{self, HEADERS},
    metrics::{GrpcMetrics, RpcKind},
    propagation::{Propagation, X_REQUEST_ID},
    serve::Peer,
    telemetry::{GrpcSpan, Tracer, code_name},
    upstream::Callers,
};
use tokio::time::timeout_at;
use tonic::{Request, Response, Status, metadata::MetadataMap};

use self::observed_call::ObservedCall;
use crate::{
    body::Received,
    failure::GreetError,
    greeter::{Call, Greeter, Pending},
    greeting::Greeting,
    response_stream::{Greetings, Sink, respond},
    rpc::{GREETING, GREETING_STREAM},
    upstreams::Gathered,
};

/// Implements `greeting.v3.GreetingService` with a [`Greeter`].
pub(crate) struct GrpcService {
    pub(crate) greeter: Arc<Greeter>,
    /// Named in the spans of their calls.
    pub(crate) callers: Callers,
    pub(crate) propagation: Propagation,
    pub(crate) admission: Admission,
    pub(crate) metrics: GrpcMetrics,
    pub(crate) tracer: Tracer,
}

#[tonic::async_trait]
impl GreetingService for GrpcService {
    async fn greeting(
        &self,
        request: Request<proto::GreetingRequest>,
    ) -> Result<Response<proto::GreetingResponse>, Status> {
        let (observed, call) = self.receive(request, GREETING, RpcKind::Unary);
        let answer = match call {
            Ok((_admitted, call)) => observed.scope(greet(&self.greeter, call)).await,
            Err(status) => Err(status),
        };
        match answer {
            Ok(Gathered { greetings, missing }) => {
                let greeting = greetings.into_iter().map(proto::Greeting::from).collect();
                let mut response = Response::new(proto::GreetingResponse { greeting });
                missing.write_to(response.metadata_mut());
                observed.end(Ok(response.metadata()));
                Ok(response)
            }
            Err(status) => {
                observed.end(Err(&status));
                Err(status)
            }
        }
    }

    type GreetingStreamStream = Greetings;

    async fn greeting_stream(
        &self,
        request: Request<proto::GreetingRequest>,
    ) -> Result<Response<Greetings>, Status> {
        let (observed, call) = self.receive(request, GREETING_STREAM, RpcKind::ServerStream);
        let (admitted, call) = match call {
            Ok(call) => call,
            Err(status) => {
                observed.end(Err(&status));
                return Err(status);
            }
        };
        let greeter = self.greeter.clone();
        let greetings = respond(async move |sink| {
            let _admitted = admitted;
            let outcome = observed.scope(greet_each(&greeter, call, &sink)).await;
            observed.end(outcome.as_ref());
            outcome
        });
        Ok(Response::new(greetings))
    }
}

impl GrpcService {
    /// Starts to observe a call, and admits it.
    fn receive(
        &self,
        request: Request<proto::GreetingRequest>,
        path: &'static str,
        kind: RpcKind,
    ) -> (ObservedCall, Result<(Admitted, Call), Status>) {
        let measured = self.metrics.start_as(path, kind);
        let (metadata, extensions, message) = request.into_parts();
        let headers = metadata.into_headers();
        let request_id = headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
        let incoming = self.tracer.extract(&headers);
        let peer = extensions.get::<Peer>().map(|peer| peer.0);
        let caller = self.callers.caller(&headers);
        let mut span = GrpcSpan::server(&self.tracer, &incoming, path, caller, peer);
        let trace = span.span().ids().or_else(|| incoming.ids());
        let log = logs::request_span(request_id, trace.as_ref());
        let shown = || logs::masked(&headers);
        tracing::debug!(target: HEADERS, parent: &log, path, headers = %shown(), "request received");

        let deadline = extensions
            .get::<Received>()
            .map_or_else(|| Deadline::from_headers(&headers), |received| received.0);
        let call = match (self.admission.admit(), deadline) {
            (Err(overloaded), _) => Err(Status::resource_exhausted(overloaded.to_string())),
            (_, Err(malformed)) => Err(Status::invalid_argument(malformed.to_string())),
            (Ok(admitted), Ok(deadline)) => {
                span.set_deadline(deadline);
                let carried = self.propagation.carried(&headers);
                Ok((admitted, Call { greeting: message.greeting.map(Greeting::from), deadline, carried }))
            }
        };
        (ObservedCall::new(path, measured, span, log), call)
    }
}

async fn greet(greeter: &Greeter, call: Call) -> Result<Gathered, Status> {
    let pending = Pending::default();
    let deadline = call.deadline;
    in_time(deadline, &pending, greeter.greet(call, &pending), |all| all.greetings.len()).await
}

async fn greet_each(greeter: &Greeter, call: Call, sink: &Sink) -> Result<MetadataMap, Status> {
    let pending = Pending::default();
    let deadline = call.deadline;
    let missing =
        in_time(deadline, &pending, greeter.greet_each(call, &pending, sink), |_| sink.sent()).await?;
    let mut trailers = MetadataMap::new();
    missing.write_to(&mut trailers);
    Ok(trailers)
}

/// The outcome of `work` until `deadline`, with a log line; `greetings` counts those of an outcome.
async fn in_time<T>(
    deadline: Deadline,
    pending: &Pending,
    work: impl Future<Output = Result<T, GreetError>>,
    greetings: impl FnOnce(&T) -> usize,
) -> Result<T, Status> {
    let started = Instant::now();
    let outcome = match timeout_at(deadline.instant(), work).await {
        Ok(outcome) => outcome.map_err(log_failure),
        Err(_) => Err(Status::deadline_exceeded(pending.late())),
    };
    let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    match &outcome {
        Ok(outcome) => {
            tracing::info!(code = "OK", greetings = greetings(outcome), duration_us, "greeted");
        }
        Err(status) => {
            let code = code_name(status.code());
            tracing::warn!(code, duration_us, reason = status.message(), "failed");
        }
    }
    outcome
}

/// Logs the details that the status withholds from the caller.
fn log_failure(error: GreetError) -> Status {
    if matches!(error, GreetError::Store(_) | GreetError::Publish(_)) {
        tracing::warn!(%error, "store or queue failed");
    }
    error.into_status()
}
