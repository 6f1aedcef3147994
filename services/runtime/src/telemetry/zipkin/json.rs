//! Encodes a span in Zipkin's JSON, by OpenTelemetry's rules for Zipkin exporters.

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

use crate::telemetry::{
    batch::Ended,
    digits::decimal,
    trace_ids::{span_id_digits, write_trace_id},
};

/// Encodes the spans of one process.
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
            key(&mut all, name);
            string(&mut all, value);
        }
        Self { local, tags: all }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, Ended { data: span, is_debug }: Ended<'_>) {
        out.extend_from_slice(br#"{"traceId":""#);
        write_trace_id(span.span_context.trace_id(), |digits| out.extend_from_slice(digits));
        out.extend_from_slice(br#"","id":""#);
        out.extend_from_slice(&span_id_digits(span.span_context.span_id()));
        if span.parent_span_id != SpanId::INVALID {
            out.extend_from_slice(br#"","parentId":""#);
            out.extend_from_slice(&span_id_digits(span.parent_span_id));
        }
        out.push(b'"');
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
        // Zipkin treats a duration of zero as absent.
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        out.extend_from_slice(br#","timestamp":"#);
        decimal(out, microseconds(span.start_time));
        out.extend_from_slice(br#","duration":"#);
        decimal(out, took);
        out.extend_from_slice(&self.local);
        remote(out, span);
        annotations(out, span);
        self.tags(out, span);
        if is_debug {
            out.extend_from_slice(br#","debug":true"#);
        }
        out.push(b'}');
    }

    fn tags(&self, out: &mut Vec<u8>, span: &SpanData) {
        let before = out.len();
        out.extend_from_slice(br#","tags":{"#);
        let begin = out.len();
        out.extend_from_slice(&self.tags);
        for attribute in &span.attributes {
            key(out, attribute.key.as_str());
            value(out, &attribute.value);
        }
        if let Status::Error { description } = &span.status {
            key(out, "otel.status_code");
            string(out, "ERROR");
            // UIs mark a span with this tag as failed; the value is for people.
            key(out, "error");
            string(out, if description.is_empty() { "true" } else { description });
        }
        if out.len() == begin {
            out.truncate(before);
        } else {
            out.push(b'}');
        }
    }
}

/// The remote endpoint, from which dependency graphs are made.
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
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":{");
    let mut comma = "";
    if let Some(service) = service {
        out.extend_from_slice(br#""serviceName":"#);
        string(out, service);
        comma = ",";
    }
    match ip.map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) => {
            out.extend_from_slice(comma.as_bytes());
            out.extend_from_slice(br#""ipv4":""#);
            for (index, part) in ip.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                decimal(out, part.into());
            }
            out.push(b'"');
            comma = ",";
        }
        Some(IpAddr::V6(ip)) => {
            let _ = write!(out, r#"{comma}"ipv6":"{ip}""#);
            comma = ",";
        }
        None => {}
    }
    if let Some(port) = port.filter(|port| *port > 0) {
        out.extend_from_slice(comma.as_bytes());
        out.extend_from_slice(br#""port":"#);
        decimal(out, port.into());
    }
    out.push(b'}');
}

fn annotations(out: &mut Vec<u8>, span: &SpanData) {
    let mut before: &[u8] = br#","annotations":["#;
    for event in span.events.iter() {
        let mut value = event.name.to_string();
        for attribute in &event.attributes {
            // Writing to a String cannot fail.
            let _ = write!(value, " {}={}", attribute.key, attribute.value.as_str());
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

/// `"name":`, after a comma unless it is the first.
fn key(out: &mut Vec<u8>, name: &str) {
    if !matches!(out.last(), None | Some(b'{')) {
        out.push(b',');
    }
    string(out, name);
    out.push(b':');
}

/// A tag's value is always a string.
fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => string(out, text.as_str()),
        Value::I64(whole) if *whole >= 0 => {
            out.push(b'"');
            decimal(out, whole.unsigned_abs());
            out.push(b'"');
        }
        Value::F64(fraction) => {
            // Writing to a Vec cannot fail.
            let _ = write!(out, "\"{fraction}\"");
        }
        other => string(out, &other.as_str()),
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    if is_plain(text.as_bytes()) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // A string always has a JSON form.
        let _ = serde_json::to_writer(out, text);
    }
}

/// Whether a text needs no JSON escapes. Eight bytes at a time, since every tag's name and value is checked.
fn is_plain(text: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The high bit of each byte that is zero, or less than `below`; of other bytes only after such a byte.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let less = |word: u64, below: u64| word.wrapping_sub(ONES * below) & !word & HIGH;
    let needs_escape = |word: u64| {
        less(word, 0x20) | zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\')))
    };
    let (words, rest) = text.as_chunks::<8>();
    let mut last = [b' '; 8];
    for (byte, rest) in last.iter_mut().zip(rest) {
        *byte = *rest;
    }
    words.iter().chain([&last]).all(|word| needs_escape(u64::from_le_bytes(*word)) == 0)
}

/// Since 1970.
fn microseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_string_is_encoded_as_serde_encodes_it(text in r#"([ -~]|"|\\\\|[\x00-\x7f]|é|\u{2028}){0,40}"#) {
            let mut out = Vec::new();
            string(&mut out, &text);
            proptest::prop_assert_eq!(out, serde_json::to_vec(&text).unwrap());
        }
    }
}
