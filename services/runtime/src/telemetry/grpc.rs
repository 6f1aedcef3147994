//! gRPC spans by OpenTelemetry's semantic conventions for RPC.

use std::{net::SocketAddr, sync::Arc};

use opentelemetry::trace::SpanKind;
use tonic::{Code, Status};

use super::{conventions::Convention, extracted::Extracted, span::Span, tracer::Tracer};
use crate::deadline::Deadline;

/// A call in flight. Dropped before its [end](GrpcSpan::end), it counts as cancelled.
#[must_use = "a span measures until it is dropped"]
pub struct GrpcSpan {
    span: Span,
    side: Side,
    has_ended: bool,
}

/// The side of the call that the span describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

impl GrpcSpan {
    /// The span of a call that this process serves. `path` is HTTP/2's `/package.Service/Method`; `caller` is the name of
    /// the calling service, where it is known.
    pub fn server(
        tracer: &Tracer,
        extracted: &Extracted,
        path: &str,
        caller: Option<&Arc<str>>,
        peer: Option<SocketAddr>,
    ) -> Self {
        let mut span = tracer.start(extracted, SpanKind::Server, name(path));
        if span.is_recording() {
            describe(&mut span, path);
            if let Some(caller) = caller {
                span.set("peer.service", caller.clone());
            }
            if let Some(peer) = peer {
                span.set("network.peer.address", peer.ip().to_canonical().to_string());
                span.set("network.peer.port", i64::from(peer.port()));
            }
        }
        Self { span, side: Side::Server, has_ended: false }
    }

    /// The span of a call that this process makes.
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
        Self { span, side: Side::Client, has_ended: false }
    }

    /// The span itself.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The span itself, for attributes.
    pub fn span_mut(&mut self) -> &mut Span {
        &mut self.span
    }

    /// Records the remaining time of the deadline, in milliseconds with a fraction.
    pub fn set_deadline(&mut self, deadline: Deadline) {
        if self.span.is_recording() {
            self.span.set("octet.deadline.remaining_ms", deadline.remaining_ms());
        }
    }

    /// Records how the call ended. On the client every failure is an error; on the server only those of the server.
    pub fn end(mut self, outcome: Result<(), &Status>) {
        match outcome {
            Ok(()) => self.finish(Code::Ok, ""),
            Err(status) => self.finish(status.code(), status.message()),
        }
    }

    fn finish(&mut self, code: Code, message: &str) {
        self.has_ended = true;
        if !self.span.is_recording() {
            return;
        }
        self.span.set("rpc.response.status_code", code_name(code));
        self.span.set_earlier(Convention::Rpc, "rpc.grpc.status_code", || i64::from(i32::from(code)));
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
            self.span.set("error.type", code_name(code));
            self.span.fail(|| format!("{code:?}: {message}"));
        }
    }
}

impl Drop for GrpcSpan {
    fn drop(&mut self) {
        if !self.has_ended {
            self.finish(Code::Cancelled, "the caller cancelled the call");
        }
    }
}

fn describe(span: &mut Span, path: &str) {
    span.set("rpc.system.name", "grpc");
    // The earlier `rpc.method` was the last part alone; both cannot be set.
    span.set("rpc.method", name(path).to_owned());
    span.set_earlier(Convention::Rpc, "rpc.system", || "grpc");
    let service = || name(path).split_once('/').map_or(name(path), |(service, _)| service).to_owned();
    span.set_earlier(Convention::Rpc, "rpc.service", service);
}

/// The code's name in gRPC's specification, which the conventions use for `error.type`.
pub fn code_name(code: Code) -> &'static str {
    octet_fault::code_name(code.into())
}

/// The span's name by the conventions: the path without its first `/`.
fn name(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_tonic_has_its_name() {
        for number in 0..=16 {
            let code = Code::from(number);
            assert_eq!(code_name(code).replace('_', "").to_lowercase(), format!("{code:?}").to_lowercase());
        }
    }
}
