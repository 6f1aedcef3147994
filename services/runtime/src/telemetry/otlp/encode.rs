//! Encodes spans in OTLP's protobuf as they end, by the field numbers of `opentelemetry-proto`.
//!
//! OpenTelemetry's own exporter clones each span, builds structures from the clones and encodes those, which costs four
//! times as much.

use std::time::SystemTime;

use opentelemetry::{
    Array, KeyValue, Value,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::SpanData;

use super::wire::{bytes, double, fixed32, fixed64, message, text, varint_field};

/// Whether the flags say if the span is remote, and that it is.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// Appends a span as an element of `ScopeSpans.spans`.
pub(super) fn span(out: &mut Vec<u8>, span: &SpanData) {
    message::<2>(out, 2, |out| {
        let context = &span.span_context;
        bytes(out, 1, &context.trace_id().to_bytes());
        bytes(out, 2, &context.span_id().to_bytes());
        if *context.trace_state() != TraceState::NONE {
            text(out, 3, &context.trace_state().header());
        }
        if span.parent_span_id != SpanId::INVALID {
            bytes(out, 4, &span.parent_span_id.to_bytes());
        }
        text(out, 5, &span.name);
        let kind = match span.span_kind {
            SpanKind::Internal => 1,
            SpanKind::Server => 2,
            SpanKind::Client => 3,
            SpanKind::Producer => 4,
            SpanKind::Consumer => 5,
        };
        varint_field(out, 6, kind);
        fixed64(out, 7, nanoseconds(span.start_time));
        fixed64(out, 8, nanoseconds(span.end_time));
        attributes(out, 9, &span.attributes);
        count(out, 10, span.dropped_attributes_count);
        for event in span.events.iter() {
            message::<1>(out, 11, |out| {
                fixed64(out, 1, nanoseconds(event.timestamp));
                text(out, 2, &event.name);
                attributes(out, 3, &event.attributes);
                count(out, 4, event.dropped_attributes_count);
            });
        }
        count(out, 12, span.events.dropped_count);
        for link in span.links.iter() {
            message::<1>(out, 13, |out| {
                bytes(out, 1, &link.span_context.trace_id().to_bytes());
                bytes(out, 2, &link.span_context.span_id().to_bytes());
                attributes(out, 4, &link.attributes);
                count(out, 5, link.dropped_attributes_count);
                fixed32(out, 6, flags(&link.span_context, link.span_context.is_remote()));
            });
        }
        count(out, 14, span.links.dropped_count);
        match &span.status {
            Status::Unset => {}
            Status::Ok => message::<1>(out, 15, |out| varint_field(out, 3, 1)),
            Status::Error { description } => message::<1>(out, 15, |out| {
                if !description.is_empty() {
                    text(out, 2, description);
                }
                varint_field(out, 3, 2);
            }),
        }
        fixed32(out, 16, flags(context, span.parent_span_is_remote));
    });
}

/// The W3C flags of a span or link, and whether the parent or the linked span is of another process.
fn flags(context: &SpanContext, is_remote: bool) -> u32 {
    let remote = if is_remote { IS_REMOTE } else { 0 };
    u32::from(context.trace_flags().to_u8()) | HAS_IS_REMOTE | remote
}

/// Appends attributes as elements of the field.
pub(super) fn attributes(out: &mut Vec<u8>, field: u32, attributes: &[KeyValue]) {
    for KeyValue { key, value, .. } in attributes {
        attribute(out, field, key.as_str(), value);
    }
}

/// Appends a `KeyValue`.
pub(super) fn attribute(out: &mut Vec<u8>, field: u32, key: &str, value: &Value) {
    message::<1>(out, field, |out| {
        text(out, 1, key);
        message::<1>(out, 2, |out| any_value(out, value));
    });
}

fn any_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Bool(flag) => varint_field(out, 2, (*flag).into()),
        Value::I64(whole) => varint_field(out, 3, whole.cast_unsigned()),
        Value::F64(number) => double(out, 4, *number),
        Value::String(value) => text(out, 1, value.as_str()),
        Value::Array(array) => message::<1>(out, 5, |out| elements(out, array)),
        other => text(out, 1, &other.as_str()),
    }
}

fn elements(out: &mut Vec<u8>, array: &Array) {
    match array {
        Array::Bool(values) => each(out, values, |out, flag| varint_field(out, 2, (*flag).into())),
        Array::I64(values) => each(out, values, |out, whole| varint_field(out, 3, whole.cast_unsigned())),
        Array::F64(values) => each(out, values, |out, number| double(out, 4, *number)),
        Array::String(values) => each(out, values, |out, value| text(out, 1, value.as_str())),
        _ => {}
    }
}

fn each<T>(out: &mut Vec<u8>, values: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    for value in values {
        message::<1>(out, 1, |out| write(out, value));
    }
}

fn count(out: &mut Vec<u8>, field: u32, count: u32) {
    if count > 0 {
        varint_field(out, field, count.into());
    }
}

/// Since 1970.
pub(super) fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
