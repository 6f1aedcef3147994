//! gRPC spans by OpenTelemetry's semantic conventions for RPC.

use std::{net::SocketAddr, sync::Arc};

use opentelemetry::trace::SpanKind;
use tonic::{Code, Status};

use super::{
    conventions::Convention,
    extracted::Extracted,
    recorder::Recording,
    shape::{Encoded, Shape},
    span::Span,
    tracer::Tracer,
};
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

/// What the spans of equal calls have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<T> {
    side: Side,
    path: T,
    /// The name of the other service; empty where it is unknown.
    peer: T,
    /// Of the upstream.
    host: T,
    port: Option<u16>,
}

impl Call<&str> {
    fn shape(self, recording: &Recording) -> Arc<Encoded> {
        let is = |known: &Call<String>| {
            let Call { side, path, peer, host, port } = known;
            self.side == *side
                && self.port == *port
                && self.path == path
                && self.peer == peer
                && self.host == host
        };
        recording.calls.get(recording, is, || (self.to_owned(), self.new_shape()))
    }

    fn to_owned(self) -> Call<String> {
        let Self { side, path, peer, host, port } = self;
        Call { side, path: path.to_owned(), peer: peer.to_owned(), host: host.to_owned(), port }
    }

    fn new_shape(self) -> Shape {
        let name = name(self.path);
        let kind = if self.side == Side::Server { SpanKind::Server } else { SpanKind::Client };
        let service = name.split_once('/').map_or(name, |(service, _)| service);
        let mut shape = Shape::new(kind, name)
            .with("rpc.system.name", "grpc")
            // The earlier `rpc.method` was the last part alone; both cannot be set.
            .with("rpc.method", name)
            .with_earlier(Convention::Rpc, "rpc.system", "grpc")
            .with_earlier(Convention::Rpc, "rpc.service", service);
        if !self.peer.is_empty() {
            shape = shape.with("peer.service", self.peer);
        }
        if self.side == Side::Client {
            shape = shape.with("server.address", self.host);
        }
        if let Some(port) = self.port {
            shape = shape.with("server.port", i64::from(port));
        }
        shape
    }
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
        let caller = caller.map(|caller| &**caller).unwrap_or_default();
        let call = Call { side: Side::Server, path, peer: caller, host: "", port: None };
        let mut span = tracer.start_with(extracted, |recording| call.shape(recording));
        if let Some(peer) = peer.filter(|_| span.is_recording()) {
            span.set("network.peer.address", peer.ip());
            span.set("network.peer.port", i64::from(peer.port()));
        }
        Self { span, side: Side::Server, has_ended: false }
    }

    /// The span of a call that this process makes.
    pub(crate) fn client(path: &str, upstream: &str, (host, port): (&str, Option<u16>)) -> Self {
        let call = Call { side: Side::Client, path, peer: upstream, host, port };
        let span = Span::child_with(|recording| call.shape(recording));
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
