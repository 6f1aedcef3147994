//! The gRPC side of the service: metadata in, greetings out, one status for every failure.

use std::{sync::Arc, time::Instant};

use octet_proto::greeting::v3::{self as proto, greeting_service_server::GreetingService};
use octet_runtime::{
    admission::Admission,
    deadline::Deadline,
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
    failure::GreetError,
    greeter::{Call, Greeter, Pending},
    greeting::Greeting,
    rpc::GREETING,
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
        let measured = self.metrics.start(GREETING);
        let (metadata, extensions, message) = request.into_parts();
        let headers = metadata.into_headers();
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
        let answer = match (self.admission.admit(), deadline) {
            (Err(overloaded), _) => refused(Status::resource_exhausted(overloaded.to_string())),
            (_, Err(malformed)) => refused(Status::invalid_argument(malformed.to_string())),
            (Ok(_admitted), Ok(deadline)) => {
                span.set_deadline(deadline);
                let carried = self.propagation.carried(&headers);
                let call = Call { greeting: message.greeting.map(Greeting::from), deadline, carried };
                let answering = async {
                    let answer = self.answer(call).await;
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
    async fn answer(&self, call: Call) -> Result<Response<proto::GreetingResponse>, Status> {
        let started = Instant::now();
        let pending = Pending::default();
        let outcome = timeout_at(call.deadline.instant(), self.greeter.greet(call, &pending)).await;
        let answer = match outcome {
            Ok(Ok(gathered)) => Ok(gathered),
            Ok(Err(error)) => Err(log_failure(error)),
            Err(_) => Err(Status::deadline_exceeded(pending.late())),
        };
        let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        match answer {
            Ok(Gathered { greetings, missing }) => {
                tracing::info!(code = "OK", greetings = greetings.len(), duration_us, "greeted");
                let greeting = greetings.into_iter().map(proto::Greeting::from).collect();
                let mut response = Response::new(proto::GreetingResponse { greeting });
                missing.write_to(response.metadata_mut());
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
