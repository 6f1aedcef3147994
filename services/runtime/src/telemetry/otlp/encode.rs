//! Encodes spans in OTLP's protobuf as they end, by the field numbers of `opentelemetry-proto`.
//!
//! OpenTelemetry's own exporter clones each span, builds structures from the clones and encodes those, which costs four
//! times as much.

use std::time::SystemTime;

use octet_wire::put::{bytes, double, fixed32, fixed64, message, text, varint_field};
use opentelemetry::trace::{SpanKind, TraceState};

use crate::telemetry::{
    attribute::AttributeValue,
    record::{Ended, Record},
    shape::{Fragment, ShapeParts},
};

/// Whether the flags say if the span is remote, and that it is.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// What the spans of a shape have in common.
pub(in crate::telemetry) fn shape(shape: &ShapeParts<'_>) -> Fragment {
    let mut common = Vec::new();
    text(&mut common, 5, shape.name);
    let kind = match shape.kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    };
    varint_field(&mut common, 6, kind);
    for (name, value) in shape.attributes() {
        attribute(&mut common, 9, name, value);
    }
    Fragment { common, remote: Vec::new() }
}

/// Appends a span as an element of `ScopeSpans.spans`.
pub(in crate::telemetry) fn span(out: &mut Vec<u8>, Ended { record, fragment }: Ended<'_>) {
    message::<2>(out, 2, |out| {
        let context = &record.context;
        bytes(out, 1, &context.trace_id().to_bytes());
        bytes(out, 2, &context.span_id().to_bytes());
        if *context.trace_state() != TraceState::NONE {
            text(out, 3, &context.trace_state().header());
        }
        if let Some(parent) = record.parent {
            bytes(out, 4, &parent.to_bytes());
        }
        fixed64(out, 7, nanoseconds(record.start));
        fixed64(out, 8, nanoseconds(record.end));
        out.extend_from_slice(&fragment.common);
        for (name, value) in record.attributes.iter() {
            attribute(out, 9, name, value);
        }
        for event in &record.events {
            message::<1>(out, 11, |out| {
                fixed64(out, 1, nanoseconds(event.time));
                text(out, 2, event.name);
                for (name, value) in event.attributes.iter() {
                    attribute(out, 3, name, value);
                }
            });
        }
        if record.dropped_events > 0 {
            varint_field(out, 12, record.dropped_events.into());
        }
        if let Some(description) = &record.failure {
            message::<1>(out, 15, |out| {
                if !description.is_empty() {
                    text(out, 2, description);
                }
                varint_field(out, 3, 2);
            });
        }
        fixed32(out, 16, flags(record));
    });
}

/// The W3C flags of a span, and whether its parent is of another process.
fn flags(record: &Record) -> u32 {
    let remote = if record.is_parent_remote { IS_REMOTE } else { 0 };
    u32::from(record.context.trace_flags().to_u8()) | HAS_IS_REMOTE | remote
}

/// Appends a `KeyValue`.
pub(super) fn attribute(out: &mut Vec<u8>, field: u32, key: &str, value: AttributeValue<'_>) {
    message::<1>(out, field, |out| {
        text(out, 1, key);
        message::<1>(out, 2, |out| match value {
            AttributeValue::Text(value) => text(out, 1, value),
            AttributeValue::Flag(flag) => varint_field(out, 2, flag.into()),
            AttributeValue::Whole(whole) => varint_field(out, 3, whole.cast_unsigned()),
            AttributeValue::Fraction(fraction) => double(out, 4, fraction),
            address @ AttributeValue::Address(_) => message::<1>(out, 1, |out| address.write(out)),
        });
    });
}

/// Since 1970.
pub(super) fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
