//! A span in Zipkin's JSON, by OpenTelemetry's rules for Zipkin exporters.

use std::{
    fmt::Write as _,
    io::Write as _,
    net::{IpAddr, SocketAddr},
    time::SystemTime,
};

use opentelemetry::{
    Value,
    trace::{SpanId, SpanKind, Status},
};
use opentelemetry_sdk::trace::SpanData;

use crate::telemetry::b3::trace_id_text;

/// Writes spans of one process.
#[derive(Debug)]
pub(super) struct Encoder {
    /// `,"localEndpoint":{…}`.
    local: Vec<u8>,
    /// `"name":"value",…` of every span.
    tags: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(service: &str, address: Option<SocketAddr>, tags: &[(String, String)]) -> Self {
        let mut local = Vec::new();
        let address = address.map(|address| (Some(address.ip()), Some(address.port())));
        let (ip, port) = address.unwrap_or_default();
        endpoint(&mut local, "localEndpoint", Some(service), ip.filter(|ip| !ip.is_unspecified()), port);
        let mut all = Vec::new();
        for (name, value) in tags {
            tag(&mut all, name, value);
        }
        Self { local, tags: all }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, span: &SpanData) {
        // Writing to a Vec cannot fail.
        let _ = write!(
            out,
            r#"{{"traceId":"{}","id":"{}""#,
            trace_id_text(span.span_context.trace_id()),
            span.span_context.span_id()
        );
        if span.parent_span_id != SpanId::INVALID {
            let _ = write!(out, r#","parentId":"{}""#, span.parent_span_id);
        }
        let kind = match span.span_kind {
            SpanKind::Client => r#","kind":"CLIENT""#,
            SpanKind::Server => r#","kind":"SERVER""#,
            SpanKind::Producer => r#","kind":"PRODUCER""#,
            SpanKind::Consumer => r#","kind":"CONSUMER""#,
            SpanKind::Internal => "",
        };
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(br#","name":"#);
        string(out, &span.name);
        let took = span.end_time.duration_since(span.start_time).unwrap_or_default();
        // A duration of nought is none to Zipkin.
        let took = took.as_micros().max(1);
        let _ = write!(out, r#","timestamp":{},"duration":{took}"#, microseconds(span.start_time));
        out.extend_from_slice(&self.local);
        remote(out, span);
        annotations(out, span);
        self.tags(out, span);
        out.push(b'}');
    }

    fn tags(&self, out: &mut Vec<u8>, span: &SpanData) {
        let mut tags = self.tags.clone();
        for attribute in &span.attributes {
            tag(&mut tags, attribute.key.as_str(), &attribute.value.as_str());
        }
        if let Status::Error { description } = &span.status {
            tag(&mut tags, "otel.status_code", "ERROR");
            // Its presence is what makes a span red; its value is for eyes.
            tag(&mut tags, "error", if description.is_empty() { "true" } else { description });
        }
        if !tags.is_empty() {
            out.extend_from_slice(br#","tags":{"#);
            out.append(&mut tags);
            out.push(b'}');
        }
    }
}

/// Who is at the other end: what dependency graphs are made from.
fn remote(out: &mut Vec<u8>, span: &SpanData) {
    let (mut service, mut ip, mut port) = (None, None, None);
    for attribute in &span.attributes {
        match (attribute.key.as_str(), &attribute.value) {
            ("peer.service", Value::String(name)) => service = Some(name.as_str()),
            ("server.address" | "network.peer.address", Value::String(host)) => {
                ip = host.as_str().trim_matches(['[', ']']).parse().ok();
            }
            ("server.port" | "network.peer.port", Value::I64(number)) => port = u16::try_from(*number).ok(),
            _ => {}
        }
    }
    endpoint(out, "remoteEndpoint", service, ip, port);
}

fn endpoint(out: &mut Vec<u8>, name: &str, service: Option<&str>, ip: Option<IpAddr>, port: Option<u16>) {
    if service.is_none() && ip.is_none() {
        return;
    }
    let _ = write!(out, r#","{name}":{{"#);
    let mut comma = "";
    if let Some(service) = service {
        out.extend_from_slice(br#""serviceName":"#);
        string(out, service);
        comma = ",";
    }
    match ip.map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) => {
            let _ = write!(out, r#"{comma}"ipv4":"{ip}""#);
            comma = ",";
        }
        Some(IpAddr::V6(ip)) => {
            let _ = write!(out, r#"{comma}"ipv6":"{ip}""#);
            comma = ",";
        }
        None => {}
    }
    if let Some(port) = port.filter(|port| *port > 0) {
        let _ = write!(out, r#"{comma}"port":{port}"#);
    }
    out.push(b'}');
}

fn annotations(out: &mut Vec<u8>, span: &SpanData) {
    let mut before: &[u8] = br#","annotations":["#;
    for event in span.events.iter() {
        let mut value = event.name.to_string();
        for told in &event.attributes {
            // Writing to a String cannot fail.
            let _ = write!(value, " {}={}", told.key, told.value.as_str());
        }
        out.extend_from_slice(before);
        let _ = write!(out, r#"{{"timestamp":{},"value":"#, microseconds(event.timestamp));
        string(out, &value);
        out.push(b'}');
        before = b",";
    }
    if !span.events.is_empty() {
        out.push(b']');
    }
}

fn tag(out: &mut Vec<u8>, name: &str, value: &str) {
    if !out.is_empty() {
        out.push(b',');
    }
    string(out, name);
    out.push(b':');
    string(out, value);
}

fn string(out: &mut Vec<u8>, text: &str) {
    // A string always has a JSON form.
    let _ = serde_json::to_writer(out, text);
}

/// Since 1970.
fn microseconds(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros()
}
