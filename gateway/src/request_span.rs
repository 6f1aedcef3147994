//! The span of a request that an RPC answers, by OpenTelemetry's semantic conventions for HTTP.
//!
//! Pages and what the gateway answers itself make no spans: a browser that looks at traces would fill them with its own.

use axum::http::{StatusCode, header, request::Parts, uri::Authority};
use octet_runtime::{
    deadline::Deadline,
    logs,
    serve::Peer,
    telemetry::{Span, SpanKind, Tracer},
};

use crate::edge::{self, ClientAddress};

/// A request under way.
pub(crate) struct RequestSpan(Span);

impl RequestSpan {
    /// Begins it, and has the request's log lines carry the ids of its trace.
    pub(crate) fn begin(tracer: &Tracer, parts: &Parts, route: &str, scheme: &'static str) -> Self {
        let incoming = tracer.incoming(&parts.headers);
        let method = edge::known(&parts.method);
        let mut span = tracer.begin(&incoming, SpanKind::Server, &format!("{method} {route}"));
        if span.is_recording() {
            span.set("http.request.method", method.to_owned());
            span.set("http.route", route.to_owned());
            span.set("url.path", parts.uri.path().to_owned());
            span.set("url.scheme", scheme);
            if let Some(authority) = authority(parts) {
                span.set("server.address", authority.host().to_owned());
                if let Some(port) = authority.port_u16() {
                    span.set("server.port", i64::from(port));
                }
            }
            if let Some(agent) = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()) {
                span.set("user_agent.original", agent.to_owned());
            }
            if let Some(Peer(peer)) = parts.extensions.get() {
                span.set("network.peer.address", peer.ip().to_canonical().to_string());
                span.set("network.peer.port", i64::from(peer.port()));
            }
            if let Some(ClientAddress(client)) = parts.extensions.get() {
                span.set("client.address", client.to_string());
            }
        }
        if let Some(ids) = span.ids().or_else(|| incoming.ids()) {
            logs::record_trace(&ids);
        }
        Self(span)
    }

    /// Tells the time that is left, in milliseconds with a fraction.
    pub(crate) fn deadline(&mut self, deadline: Deadline) {
        if self.0.is_recording() {
            self.0.set("octet.deadline.remaining_ms", deadline.remaining().as_secs_f64() * 1_000.0);
        }
    }

    /// Has everything that `work` begins be a step of this request.
    pub(crate) fn scope<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.0.scope(work)
    }

    /// Tells how it was answered: an error only where the fault is ours.
    pub(crate) fn end(mut self, status: StatusCode) {
        self.0.set("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            self.0.set("error.type", status.as_u16().to_string());
            self.0.fail(|| status.to_string());
        }
    }
}

/// The host that was asked for: HTTP/2's `:authority`, or `Host`.
fn authority(parts: &Parts) -> Option<Authority> {
    let named = || parts.headers.get(header::HOST)?.to_str().ok()?.parse().ok();
    parts.uri.authority().cloned().or_else(named)
}
