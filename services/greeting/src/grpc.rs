//! The gRPC side of the service: metadata in, greetings out, one status for every failure.

mod observed_call;

use std::{sync::Arc, time::Instant};

use octet_proto::greeting::v3::{self as proto, greeting_service_server::GreetingService};
use octet_runtime::{
    admission::{Admission, Admitted},
    deadline::Deadline,
    faults::{CALL, Hits, Resets, Throttle, is_reset, marked_reset},
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
    conduct::{Conduct, ConductError, Conducted},
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
    pub(crate) conduct: Arc<Conduct>,
    /// Whether calls of one request can need numbers of their own.
    pub(crate) numbers_calls: bool,
    /// Named in the spans of their calls.
    pub(crate) callers: Callers,
    pub(crate) propagation: Propagation,
    pub(crate) admission: Admission,
    pub(crate) metrics: GrpcMetrics,
    pub(crate) tracer: Tracer,
}

/// A call that is admitted, with the faults that hit it.
struct AdmittedCall {
    admitted: Admitted,
    call: Call,
    hits: Option<Hits>,
}

#[tonic::async_trait]
impl GreetingService for GrpcService {
    async fn greeting(
        &self,
        request: Request<proto::GreetingRequest>,
    ) -> Result<Response<proto::GreetingResponse>, Status> {
        let (observed, call) = self.receive(request, GREETING, RpcKind::Unary);
        let answer = match call {
            Ok(admitted) => observed.scope(self.answer(admitted)).await,
            Err(status) => Err(status),
        };
        match answer {
            Ok(Conducted { gathered: Gathered { greetings, missing }, padding, throttle }) => {
                let greeting = greetings.into_iter().map(proto::Greeting::from).collect();
                let mut response = Response::new(proto::GreetingResponse { greeting, padding });
                missing.write_to(response.metadata_mut());
                observed.end(Ok(response.metadata()));
                response.extensions_mut().extend(extension(throttle));
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
        let AdmittedCall { admitted, call, hits } = match call {
            Ok(call) => call,
            Err(status) => {
                observed.end(Err(&status));
                return Err(status);
            }
        };
        let (greeter, conduct) = (self.greeter.clone(), self.conduct.clone());
        let throttle = hits.as_ref().and_then(|hits| hits.throttle(call.deadline));
        let resets = hits.as_ref().is_some_and(Hits::resets);
        let greetings = respond(async move |sink| {
            let admitted = AdmittedCall { admitted, call, hits };
            // Boxed because it is large.
            let greeted = Box::pin(greet_each(&greeter, &conduct, admitted, sink));
            let outcome = observed.scope(greeted).await;
            observed.end(outcome.as_ref());
            // tonic sends the status as trailers, which the body then replaces.
            outcome.map_err(|status| if is_reset(&status) { marked_reset() } else { status })
        });
        let mut response = Response::new(greetings);
        response.extensions_mut().extend(extension(throttle));
        if resets {
            response.extensions_mut().insert(Resets);
        }
        Ok(response)
    }
}

impl GrpcService {
    /// Starts to observe a call, and admits it.
    fn receive(
        &self,
        request: Request<proto::GreetingRequest>,
        path: &'static str,
        kind: RpcKind,
    ) -> (ObservedCall, Result<AdmittedCall, Status>) {
        let measured = self.metrics.start_as(path, kind);
        let (metadata, extensions, message) = request.into_parts();
        let mut headers = metadata.into_headers();
        let request_id = headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
        let incoming = self.tracer.extract(&headers);
        let peer = extensions.get::<Peer>().map(|peer| peer.0);
        let caller = self.callers.caller(&headers);
        let mut span = GrpcSpan::server(&self.tracer, &incoming, path, caller, peer);
        let measured = measured.traced_by(&span);
        let trace = span.span().ids().or_else(|| incoming.ids());
        let log = logs::request_span(request_id, trace.as_ref());
        let shown = || logs::masked(&headers);
        tracing::debug!(target: HEADERS, parent: &log, path, headers = %shown(), "request received");

        let deadline = extensions
            .get::<Received>()
            .map_or_else(|| Deadline::from_headers(&headers), |received| received.0);
        let sent = self.conduct.faults().admit_from(&mut headers, peer);
        let call = match (self.admission.admit(), deadline, sent) {
            (Err(overloaded), _, _) => Err(Status::resource_exhausted(overloaded.to_string())),
            (_, Err(malformed), _) => Err(Status::invalid_argument(malformed.to_string())),
            (_, _, Err(status)) => Err(status),
            (Ok(admitted), Ok(deadline), Ok(sent)) => {
                span.set_deadline(deadline);
                let mut carried = self.propagation.carried(&headers);
                sent.carry_to(&mut carried);
                if self.numbers_calls
                    && let Some(number) = headers.get(CALL)
                {
                    carried.insert(CALL, number.clone());
                }
                let hits = self.conduct.faults().on_service(&headers);
                if let Some(hits) = &hits {
                    hits.mark(span.span_mut());
                }
                let call = Call { greeting: message.greeting.map(Greeting::from), deadline, carried };
                Ok(AdmittedCall { admitted, call, hits })
            }
        };
        (ObservedCall::new(path, measured, span, log), call)
    }

    async fn answer(&self, AdmittedCall { admitted, call, hits }: AdmittedCall) -> Result<Conducted, Status> {
        let deadline = call.deadline;
        if hits.is_none() && self.conduct.is_plain() {
            let _admitted = admitted;
            let pending = Pending::default();
            let work = async { Ok(self.greeter.greet(call, &pending).await?) };
            let gathered = in_time(deadline, &pending, work, |all| all.greetings.len()).await?;
            return Ok(Conducted { gathered, padding: None, throttle: None });
        }
        let pending = Arc::new(Pending::default());
        // Boxed: it is large, and calls without it should not grow.
        let work = Box::pin(self.conduct.perform(&self.greeter, call, hits, &pending, admitted));
        in_time(deadline, &pending, work, |conducted| conducted.gathered.greetings.len()).await
    }
}

/// What lets a response trickle, as an extension of the response.
fn extension(throttle: Option<Throttle>) -> http::Extensions {
    let mut extensions = http::Extensions::new();
    if let Some(throttle) = throttle {
        extensions.insert(throttle);
    }
    extensions
}

async fn greet_each(
    greeter: &Arc<Greeter>,
    conduct: &Arc<Conduct>,
    AdmittedCall { admitted, call, hits }: AdmittedCall,
    sink: Sink,
) -> Result<MetadataMap, Status> {
    let (pending, sink) = (Arc::new(Pending::default()), Arc::new(sink));
    let deadline = call.deadline;
    let work = conduct.perform_each(greeter, call, hits, (&pending, sink.clone()), admitted);
    let missing = in_time(deadline, &pending, work, |_| sink.sent()).await?;
    let mut trailers = MetadataMap::new();
    missing.write_to(&mut trailers);
    Ok(trailers)
}

/// The outcome of `work` until `deadline`, with a log line; `greetings` counts those of an outcome.
async fn in_time<T>(
    deadline: Deadline,
    pending: &Pending,
    work: impl Future<Output = Result<T, ConductError>>,
    greetings: impl FnOnce(&T) -> usize,
) -> Result<T, Status> {
    let started = Instant::now();
    let outcome = match timeout_at(deadline.instant(), work).await {
        Ok(outcome) => outcome.map_err(|error| match error {
            ConductError::Greet(error) => log_failure(error),
            ConductError::Status(status) => status,
        }),
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
