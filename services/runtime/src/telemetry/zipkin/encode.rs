//! Encodes a span in Zipkin's protobuf, by OpenTelemetry's rules for Zipkin exporters and the field numbers of
//! [`zipkin.proto`](https://github.com/openzipkin/zipkin-api/blob/master/zipkin.proto).

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    time::SystemTime,
};

use octet_wire::put::{bytes, fixed64, message, text, varint_field};
use opentelemetry::trace::SpanKind;

use crate::telemetry::{
    attribute::AttributeValue,
    record::{Ended, Record},
    shape::{Fragment, Remote, ShapeParts},
};

/// `ListOfSpans.spans`.
const SPANS: u32 = 1;

// Of `Span`.
pub(super) const TRACE_ID: u32 = 1;
pub(super) const PARENT_ID: u32 = 2;
pub(super) const ID: u32 = 3;
pub(super) const KIND: u32 = 4;
pub(super) const NAME: u32 = 5;
pub(super) const TIMESTAMP: u32 = 6;
pub(super) const DURATION: u32 = 7;
pub(super) const LOCAL_ENDPOINT: u32 = 8;
pub(super) const REMOTE_ENDPOINT: u32 = 9;
pub(super) const ANNOTATIONS: u32 = 10;
pub(super) const TAGS: u32 = 11;
pub(super) const DEBUG: u32 = 12;

/// Encodes the spans of one process.
#[derive(Debug)]
pub(super) struct Encoder {
    /// The local endpoint of every span.
    local: Vec<u8>,
    /// The tags of every span.
    tags: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(service: &str, address: Option<SocketAddr>, tags: &[(String, String)]) -> Self {
        let remote = Remote {
            service: Some(service),
            ip: address.map(|address| address.ip()).filter(|ip| !ip.is_unspecified()),
            port: address.map(|address| address.port()),
        };
        let mut local = Vec::new();
        endpoint(&mut local, LOCAL_ENDPOINT, remote);
        let mut all = Vec::new();
        for (name, value) in tags {
            tag(&mut all, name, AttributeValue::Text(value));
        }
        Self { local, tags: all }
    }

    /// What the spans of a shape have in common.
    pub(super) fn shape(&self, shape: &ShapeParts<'_>) -> Fragment {
        let mut fragment = Fragment::default();
        let Fragment { common, remote } = &mut fragment;
        let kind = match shape.kind {
            SpanKind::Internal => 0,
            SpanKind::Client => 1,
            SpanKind::Server => 2,
            SpanKind::Producer => 3,
            SpanKind::Consumer => 4,
        };
        if kind > 0 {
            varint_field(common, KIND, kind);
        }
        text(common, NAME, shape.name);
        common.extend_from_slice(&self.local);
        common.extend_from_slice(&self.tags);
        let mut end = Remote::default();
        for (name, value) in shape.attributes() {
            tag(common, name, value);
            end.note(name, value);
        }
        endpoint(remote, REMOTE_ENDPOINT, end);
        fragment
    }
}

/// Appends a span as an element of the list.
pub(super) fn span(out: &mut Vec<u8>, Ended { record, fragment }: Ended<'_>) {
    message::<2>(out, SPANS, |out| {
        let trace = record.context.trace_id().to_bytes();
        // Zipkin's ids of 64 bits have no upper half.
        let (upper, lower) = trace.split_at(8);
        bytes(out, TRACE_ID, if upper == [0; 8] { lower } else { &trace });
        if let Some(parent) = record.parent {
            bytes(out, PARENT_ID, &parent.to_bytes());
        }
        bytes(out, ID, &record.context.span_id().to_bytes());
        let took = record.end.duration_since(record.start).unwrap_or_default();
        fixed64(out, TIMESTAMP, microseconds(record.start));
        // Zipkin treats a duration of zero as absent.
        varint_field(out, DURATION, u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1));
        if record.is_debug {
            varint_field(out, DEBUG, 1);
        }
        remote(out, record, fragment);
        annotations(out, record);
        out.extend_from_slice(&fragment.common);
        for (name, value) in record.attributes.iter() {
            tag(out, name, value);
        }
        if let Some(description) = &record.failure {
            tag(out, "otel.status_code", "ERROR".into());
            // UIs mark a span with this tag as failed; the value is for people.
            let description = if description.is_empty() { "true" } else { description };
            tag(out, "error", description.into());
        }
    });
}

fn remote(out: &mut Vec<u8>, record: &Record, fragment: &Fragment) {
    let mut remote = record.shape.remote.as_ref();
    let mut is_own = false;
    for (name, value) in record.attributes.iter() {
        is_own |= remote.note(name, value);
    }
    if is_own {
        endpoint(out, REMOTE_ENDPOINT, remote);
    } else {
        out.extend_from_slice(&fragment.remote);
    }
}

/// Nothing for an endpoint that has neither a name nor an address.
fn endpoint(out: &mut Vec<u8>, field: u32, Remote { service, ip, port }: Remote<&str>) {
    if service.is_none() && ip.is_none() {
        return;
    }
    message::<1>(out, field, |out| {
        if let Some(service) = service {
            text(out, 1, service);
        }
        match ip.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(ip)) => bytes(out, 2, &ip.octets()),
            Some(IpAddr::V6(ip)) => bytes(out, 3, &ip.octets()),
            None => {}
        }
        if let Some(port) = port.filter(|port| *port > 0) {
            varint_field(out, 4, port.into());
        }
    });
}

fn annotations(out: &mut Vec<u8>, record: &Record) {
    for event in &record.events {
        let mut value = event.name.to_owned();
        for (name, attribute) in event.attributes.iter() {
            if let AttributeValue::Text(text) = attribute {
                // Writing to a String cannot fail.
                let _ = write!(value, " {name}={text}");
            }
        }
        message::<1>(out, ANNOTATIONS, |out| {
            fixed64(out, 1, microseconds(event.time));
            text(out, 2, &value);
        });
    }
}

/// An entry of the map of tags.
fn tag(out: &mut Vec<u8>, name: &str, value: AttributeValue<'_>) {
    message::<1>(out, TAGS, |out| {
        text(out, 1, name);
        match value {
            AttributeValue::Text(value) => text(out, 2, value),
            value => message::<1>(out, 2, |out| value.write(out)),
        }
    });
}

/// Since 1970.
fn microseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
