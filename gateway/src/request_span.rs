//! The span of a REST request, by OpenTelemetry's semantic conventions for HTTP.
//!
//! Pages and the gateway's own endpoints have no spans: a browser that shows traces would fill them with its own requests.

use axum::http::{HeaderName, HeaderValue, StatusCode, Version, header, request::Parts, uri::Authority};
use octet_runtime::{
    deadline::Deadline,
    logs,
    metrics::method_name,
    serve::Peer,
    telemetry::{Convention, Span, SpanKind, TraceIds, Tracer},
};

use crate::edge::ClientAddress;

pub(crate) const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// The span of a request in progress.
pub(crate) struct RequestSpan(Span);

impl RequestSpan {
    /// Starts the span and adds the trace's ids to the request's log lines.
    pub(crate) fn start(tracer: &Tracer, parts: &Parts, route: &str, scheme: &'static str) -> Self {
        let incoming = tracer.extract(&parts.headers);
        let method = method_name(&parts.method);
        let mut span = tracer.start(&incoming, SpanKind::Server, &format!("{method} {route}"));
        if span.is_recording() {
            span.set("http.request.method", method);
            span.set("http.route", route);
            span.set("url.path", parts.uri.path());
            span.set("url.scheme", scheme);
            if let Some(version) = version(parts.version) {
                span.set("network.protocol.version", version);
            }
            if method != parts.method.as_str() {
                span.set("http.request.method_original", parts.method.as_str());
            }
            if let Some(authority) = authority(parts) {
                span.set("server.address", authority.host().trim_matches(BRACKETS));
                if let Some(port) = authority.port_u16() {
                    span.set("server.port", i64::from(port));
                }
            }
            if let Some(agent) = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()) {
                span.set("user_agent.original", agent);
            }
            if let Some(Peer(peer)) = parts.extensions.get() {
                span.set("network.peer.address", peer.ip());
                span.set("network.peer.port", i64::from(peer.port()));
            }
            if let Some(ClientAddress(client)) = parts.extensions.get() {
                span.set("client.address", *client);
            }
            set_earlier(&mut span, parts, scheme);
        }
        if let Some(ids) = span.ids().or_else(|| incoming.ids()) {
            logs::record_trace(&ids);
        }
        Self(span)
    }

    /// Records the remaining time.
    pub(crate) fn set_deadline(&mut self, deadline: Deadline) {
        if self.0.is_recording() {
            self.0.set("octet.deadline.remaining_ms", deadline.remaining_ms());
        }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.0
    }

    /// Ends the span; only server errors are marked as errors. `message` names the service that failed.
    pub(crate) fn end(mut self, status: StatusCode, message: &str) {
        self.0.set("http.response.status_code", i64::from(status.as_u16()));
        self.0.set_earlier(Convention::Http, "http.status_code", || i64::from(status.as_u16()));
        if status.is_server_error() {
            self.0.set("error.type", status.as_str());
            self.0.fail(
                || if message.is_empty() { status.to_string() } else { format!("{status}: {message}") },
            );
        }
    }
}

/// The names of before the conventions for HTTP were stable.
fn set_earlier(span: &mut Span, parts: &Parts, scheme: &'static str) {
    const HTTP: Convention = Convention::Http;
    span.set_earlier(HTTP, "http.method", || method_name(&parts.method));
    span.set_earlier(HTTP, "http.scheme", || scheme);
    // Without the query, which may contain secrets.
    span.set_earlier(HTTP, "http.target", || parts.uri.path());
    if let Some(authority) = authority(parts) {
        span.set_earlier(HTTP, "net.host.name", || authority.host().trim_matches(BRACKETS));
        if let Some(port) = authority.port_u16() {
            span.set_earlier(HTTP, "net.host.port", || i64::from(port));
        }
    }
    if let Some(version) = version(parts.version) {
        span.set_earlier(HTTP, "net.protocol.version", || version);
    }
    if let Some(Peer(peer)) = parts.extensions.get() {
        span.set_earlier(HTTP, "net.sock.peer.addr", || peer.ip());
        span.set_earlier(HTTP, "net.sock.peer.port", || i64::from(peer.port()));
    }
    if let Some(ClientAddress(client)) = parts.extensions.get() {
        span.set_earlier(HTTP, "http.client_ip", || *client);
    }
}

/// The value of `traceresponse`, if spans are made: `00-<trace>-<span>-<flags>`, by the draft of W3C's Trace Context
/// level 2.
pub(crate) fn trace_response(span: &Span) -> Option<HeaderValue> {
    let TraceIds { trace, span: Some(id) } = span.ids()? else { return None };
    let flags = if span.is_recording() { "01" } else { "00" };
    // Hexadecimal digits and hyphens are a valid header value.
    HeaderValue::try_from(format!("00-{trace:0>32}-{id}-{flags}")).ok()
}

/// Around an IPv6 address in a URL.
const BRACKETS: [char; 2] = ['[', ']'];

fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}

/// The requested host: HTTP/2's `:authority`, or `Host`.
fn authority(parts: &Parts) -> Option<Authority> {
    let named = || parts.headers.get(header::HOST)?.to_str().ok()?.parse().ok();
    parts.uri.authority().cloned().or_else(named)
}
