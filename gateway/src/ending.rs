//! The one owner of everything that ends together with a call: the call to the entry service, the server's span and
//! metrics, the gRPC code in the log line, and the admission permit.

use axum::http::StatusCode;
use octet_runtime::{
    deadline::Deadline,
    metrics::GrpcCall,
    telemetry::{GrpcSpan, Span},
    upstream::{CallError, InFlight},
};
use tonic::{Code, Status};

use crate::{admit::Permit, edge::Labels, request_span::RequestSpan, transcode};

/// How the gateway's own side of a call is observed.
pub(crate) enum ServerSide {
    Rest(RequestSpan),
    Grpc { span: GrpcSpan, call: GrpcCall },
}

/// Ends a call exactly once. If it is dropped before that, the deadline has passed or the client has left.
pub(crate) struct Ending(Option<Open>);

struct Open {
    server: ServerSide,
    labels: Labels,
    permit: Option<Permit>,
    client: Option<(InFlight, Deadline)>,
}

impl Ending {
    pub(crate) fn new(server: ServerSide, labels: Labels) -> Self {
        Self(Some(Open { server, labels, permit: None, client: None }))
    }

    /// Makes the spans that `work` starts children of the server's span.
    pub(crate) fn scope<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let off = Span::off();
        let span = match self.0.as_ref().map(|open| &open.server) {
            Some(ServerSide::Rest(span)) => span.span(),
            Some(ServerSide::Grpc { span, .. }) => span.span(),
            None => &off,
        };
        span.scope(work)
    }

    /// Holds the permit until the end.
    pub(crate) fn admitted(&mut self, permit: Permit) {
        if let Some(open) = &mut self.0 {
            open.permit = Some(permit);
        }
    }

    /// The call to the entry service has started.
    pub(crate) fn called(&mut self, client: InFlight, deadline: Deadline) {
        if let Some(open) = &mut self.0 {
            open.client = Some((client, deadline));
        }
    }

    /// The response is complete or has failed.
    pub(crate) fn end(&mut self, result: Result<(), &Status>) {
        let Some(mut open) = self.0.take() else { return };
        if let Some((client, _)) = open.client.take() {
            client.end(result);
        }
        open.end(result, None);
    }

    /// The request failed before the entry service was called; `http` replaces the code's HTTP status.
    pub(crate) fn fail(&mut self, status: &Status, http: Option<StatusCode>) {
        if let Some(open) = self.0.take() {
            open.end(Err(status), http);
        }
    }
}

impl Open {
    fn end(self, result: Result<(), &Status>, http: Option<StatusCode>) {
        let code = result.err().map_or(Code::Ok, Status::code);
        self.labels.set_code(code);
        match self.server {
            ServerSide::Rest(span) => {
                let status = http.unwrap_or_else(|| transcode::http_status(code));
                span.end(status, result.err().map_or("", Status::message));
            }
            ServerSide::Grpc { span, call } => {
                call.end(code);
                span.end(result);
            }
        }
    }
}

impl Drop for Ending {
    /// A response that the client does not read is dropped at its deadline. Dropped earlier, its client has left, and
    /// spans and metrics count it as cancelled by themselves.
    fn drop(&mut self) {
        let client = self.0.as_ref().and_then(|open| open.client.as_ref());
        if client.is_some_and(|(_, deadline)| deadline.has_passed()) {
            self.end(Err(&CallError::deadline_passed().status));
        }
    }
}
