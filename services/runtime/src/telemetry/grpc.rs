//! gRPC's spans, by OpenTelemetry's semantic conventions for RPC.

use std::net::SocketAddr;

use opentelemetry::trace::SpanKind;
use tonic::{Code, Status};

use super::{Incoming, Span, Tracer};
use crate::deadline::Deadline;

/// A call under way. Where it is dropped before it [ended](GrpcSpan::end), it was cancelled.
#[must_use = "a span measures until it is dropped"]
pub struct GrpcSpan {
    span: Span,
    side: Side,
    ending: Ending,
}

/// Whose side of the call the span tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Open,
    Told,
}

impl GrpcSpan {
    /// Of a call that this process answers. `path` is HTTP/2's `/package.Service/Method`.
    pub fn server(tracer: &Tracer, incoming: &Incoming, path: &str, peer: Option<SocketAddr>) -> Self {
        let mut span = tracer.begin(incoming, SpanKind::Server, name(path));
        if span.is_recording() {
            describe(&mut span, path);
            if let Some(peer) = peer {
                span.set("network.peer.address", peer.ip().to_canonical().to_string());
                span.set("network.peer.port", i64::from(peer.port()));
            }
        }
        Self { span, side: Side::Server, ending: Ending::Open }
    }

    /// Of a call that this process makes.
    pub(crate) fn client(path: &str, upstream: &str, (host, port): (&str, Option<u16>)) -> Self {
        let mut span = Span::child(SpanKind::Client, name(path));
        if span.is_recording() {
            describe(&mut span, path);
            span.set("peer.service", upstream.to_owned());
            span.set("server.address", host.to_owned());
            if let Some(port) = port {
                span.set("server.port", i64::from(port));
            }
        }
        Self { span, side: Side::Client, ending: Ending::Open }
    }

    /// The span itself.
    pub fn span(&self) -> &Span {
        &self.span
    }

    pub(crate) fn span_mut(&mut self) -> &mut Span {
        &mut self.span
    }

    /// Tells the time that is left of the deadline, in milliseconds with a fraction.
    pub fn deadline(&mut self, deadline: Deadline) {
        if self.span.is_recording() {
            // To the microsecond: what is finer is noise, and long to read.
            let remaining = (deadline.remaining().as_secs_f64() * 1e6).round() / 1e3;
            self.span.set("octet.deadline.remaining_ms", remaining);
        }
    }

    /// Tells how the call ended. To a client every failure is an error; to a server those that are its own fault.
    pub fn end(mut self, outcome: Result<(), &Status>) {
        match outcome {
            Ok(()) => self.answered(Code::Ok, ""),
            Err(status) => self.answered(status.code(), status.message()),
        }
    }

    fn answered(&mut self, code: Code, message: &str) {
        self.ending = Ending::Told;
        if !self.span.is_recording() {
            return;
        }
        self.span.set("rpc.grpc.status_code", i64::from(i32::from(code)));
        let is_servers_fault = matches!(
            code,
            Code::Unknown
                | Code::DeadlineExceeded
                | Code::Unimplemented
                | Code::Internal
                | Code::Unavailable
                | Code::DataLoss
        );
        if code != Code::Ok && (self.side == Side::Client || is_servers_fault) {
            self.span.fail(|| format!("{code:?}: {message}"));
        }
    }
}

impl Drop for GrpcSpan {
    fn drop(&mut self) {
        if self.ending == Ending::Open {
            self.answered(Code::Cancelled, "nobody waits for the answer any more");
        }
    }
}

fn describe(span: &mut Span, path: &str) {
    let (service, method) = name(path).split_once('/').unwrap_or((name(path), ""));
    span.set("rpc.system", "grpc");
    span.set("rpc.service", service.to_owned());
    span.set("rpc.method", method.to_owned());
}

/// The path without its first `/`, as the conventions name the span.
fn name(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}
