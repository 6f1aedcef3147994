//! The gRPC side of the service: metadata in, greetings out, one status for every failure.

use std::{sync::Arc, time::Instant};

use octet_proto::greeting::v3::{self as proto, greeting_service_server::GreetingService};
use octet_runtime::{
    admission::{Admission, Admitted},
    deadline::Deadline,
    faults::{CALL, Hits},
    logs::{self, HEADERS},
    metrics::GrpcMetrics,
    propagation::{Propagation, X_REQUEST_ID},
    serve::Peer,
    telemetry::{GrpcSpan, Tracer, code_name},
    upstream::Callers,
};
use tokio::time::timeout_at;
use tonic::{Code, Request, Response, Status};
use tracing::Instrument;

use crate::{
    body::Received,
    conduct::{Conduct, ConductError, Conducted},
    failure::GreetError,
    greeter::{Call, Greeter, Pending},
    greeting::Greeting,
    rpc::GREETING,
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

#[tonic::async_trait]
impl GreetingService for GrpcService {
    async fn greeting(
        &self,
        request: Request<proto::GreetingRequest>,
    ) -> Result<Response<proto::GreetingResponse>, Status> {
        let measured = self.metrics.start(GREETING);
        let (metadata, extensions, message) = request.into_parts();
        let mut headers = metadata.into_headers();
        let request_id = headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
        let incoming = self.tracer.extract(&headers);
        let peer = extensions.get::<Peer>().map(|peer| peer.0);
        let mut span =
            GrpcSpan::server(&self.tracer, &incoming, GREETING, self.callers.caller(&headers), peer);
        let trace = span.span().ids().or_else(|| incoming.ids());
        let log = logs::request_span(request_id, trace.as_ref());
        let shown = || logs::masked(&headers);
        tracing::debug!(target: HEADERS, parent: &log, path = GREETING, headers = %shown(), "request received");

        let refused = |status: Status| {
            log.in_scope(|| log_response(&Err(&status)));
            Err(status)
        };
        let deadline = extensions
            .get::<Received>()
            .map_or_else(|| Deadline::from_headers(&headers), |received| received.0);
        let sent = self.conduct.faults().admit_from(&mut headers, peer);
        let answer = match (self.admission.admit(), deadline, sent) {
            (Err(overloaded), _, _) => refused(Status::resource_exhausted(overloaded.to_string())),
            (_, Err(malformed), _) => refused(Status::invalid_argument(malformed.to_string())),
            (_, _, Err(status)) => refused(status),
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
                let answering = async {
                    let answer = self.answer(call, hits, admitted).await;
                    log_response(&answer.as_ref());
                    answer
                };
                // Spans that the call starts are children of its span.
                span.span().scope(answering).instrument(log).await
            }
        };
        measured.end(answer.as_ref().map_or_else(Status::code, |_| Code::Ok));
        span.end(answer.as_ref().map(|_| ()));
        answer
    }
}

impl GrpcService {
    async fn answer(
        &self,
        call: Call,
        hits: Option<Hits>,
        admitted: Admitted,
    ) -> Result<Response<proto::GreetingResponse>, Status> {
        let started = Instant::now();
        let answer = if hits.is_none() && self.conduct.is_plain() {
            let _admitted = admitted;
            self.greet(call).await
        } else {
            self.perform(call, hits, admitted).await
        };
        let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        match answer {
            Ok(Conducted { gathered: Gathered { greetings, missing }, padding, throttle }) => {
                tracing::info!(code = "OK", greetings = greetings.len(), duration_us, "greeted");
                let greeting = greetings.into_iter().map(proto::Greeting::from).collect();
                let mut response = Response::new(proto::GreetingResponse { greeting, padding });
                missing.write_to(response.metadata_mut());
                if let Some(throttle) = throttle {
                    response.extensions_mut().insert(throttle);
                }
                Ok(response)
            }
            Err(status) => {
                tracing::warn!(
                    code = code_name(status.code()),
                    duration_us,
                    reason = status.message(),
                    "failed"
                );
                Err(status)
            }
        }
    }
}

impl GrpcService {
    /// A call that is nothing but a greeting.
    async fn greet(&self, call: Call) -> Result<Conducted, Status> {
        let pending = Pending::default();
        match timeout_at(call.deadline.instant(), self.greeter.greet(call, &pending)).await {
            Ok(Ok(gathered)) => Ok(Conducted { gathered, padding: None, throttle: None }),
            Ok(Err(error)) => Err(log_failure(error)),
            Err(_) => Err(Status::deadline_exceeded(pending.late())),
        }
    }

    /// A call with work, a limit or faults.
    async fn perform(&self, call: Call, hits: Option<Hits>, admitted: Admitted) -> Result<Conducted, Status> {
        let pending = Arc::new(Pending::default());
        let deadline = call.deadline.instant();
        // Boxed: it is large, and calls without it should not grow.
        let performing = Box::pin(self.conduct.perform(&self.greeter, call, hits, &pending, admitted));
        match timeout_at(deadline, performing).await {
            Ok(Ok(conducted)) => Ok(conducted),
            Ok(Err(ConductError::Greet(error))) => Err(log_failure(error)),
            Ok(Err(ConductError::Status(status))) => Err(status),
            Err(_) => Err(Status::deadline_exceeded(pending.late())),
        }
    }
}

/// Logs the metadata that the caller receives.
fn log_response(answer: &Result<&Response<proto::GreetingResponse>, &Status>) {
    let shown = || match answer {
        Ok(answer) => logs::masked(answer.metadata().as_ref()),
        Err(status) => logs::masked(status.metadata().as_ref()),
    };
    let code = || code_name(answer.map_or_else(Status::code, |_| Code::Ok));
    tracing::debug!(target: HEADERS, path = GREETING, code = code(), headers = %shown(), "response sent");
}

/// Logs the details that the status withholds from the caller.
fn log_failure(error: GreetError) -> Status {
    if matches!(error, GreetError::Store(_) | GreetError::Publish(_)) {
        tracing::warn!(%error, "store or queue failed");
    }
    error.into_status()
}
