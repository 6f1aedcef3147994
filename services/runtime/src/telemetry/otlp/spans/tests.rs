use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use opentelemetry::{
    Array, KeyValue, StringValue, Value,
    trace::{Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_proto::tonic::trace::v1::ScopeSpans;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use proptest::{collection::vec, prelude::*};
use prost::Message;

use super::*;

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::I64),
        any::<i32>().prop_map(|number| Value::F64(f64::from(number) / 4.0)),
        ".{0,300}".prop_map(|text| Value::String(text.into())),
        vec(any::<i64>(), 0..3).prop_map(|values| Value::Array(Array::I64(values))),
        vec(any::<bool>(), 0..3).prop_map(|values| Value::Array(Array::Bool(values))),
        vec(".{0,3}", 0..3).prop_map(|values| {
            Value::Array(Array::String(values.into_iter().map(StringValue::from).collect()))
        }),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    vec((".{1,8}", values()).prop_map(|(key, value)| KeyValue::new(key, value)), 0..6)
}

prop_compose! {
    fn spans()(
        ids in (1_u128.., 1_u64.., any::<u64>()),
        flags in any::<(bool, bool)>(),
        kind in prop::sample::select(vec![
            SpanKind::Internal, SpanKind::Server, SpanKind::Client, SpanKind::Producer, SpanKind::Consumer,
        ]),
        name in ".{0,200}",
        times in (0..u64::MAX / 4, 0..u64::MAX / 4),
        own in attributes(),
        others in vec(attributes(), 0..3),
        status in prop::sample::select(vec![
            Status::Unset, Status::Ok, Status::error(""), Status::error("boom"),
        ]),
        dropped in 0_u32..3,
    ) -> SpanData {
        let flag = if flags.0 { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let context = SpanContext::new(TraceId::from(ids.0), SpanId::from(ids.1), flag, false, TraceState::NONE);
        let at = |nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
        let mut events = SpanEvents::default();
        let mut links = SpanLinks::default();
        for attributes in others {
            events.events.push(Event::new("event", at(times.0), attributes.clone(), dropped));
            links.links.push(Link::new(context.clone(), attributes, dropped));
        }
        events.dropped_count = dropped;
        SpanData {
            span_context: context,
            parent_span_id: SpanId::from(ids.2),
            parent_span_is_remote: flags.1,
            span_kind: kind,
            name: Cow::Owned(name),
            start_time: at(times.0),
            end_time: at(times.1),
            attributes: own,
            dropped_attributes_count: dropped,
            events,
            links,
            status,
            instrumentation_scope: opentelemetry::InstrumentationScope::default(),
        }
    }
}

proptest! {
    /// OpenTelemetry's own conversion is the reference.
    #[test]
    fn spans_are_encoded_as_opentelemetry_encodes_them(spans in vec(spans(), 0..3)) {
        let mut batch = Vec::new();
        for span in &spans {
            encode::span(&mut batch, span);
        }
        let mut encoded = ScopeSpans::decode(&*batch).expect("a message").spans;
        for span in &mut encoded {
            // Absent and unset are the same.
            span.status.get_or_insert_default();
        }
        let expected: Vec<opentelemetry_proto::tonic::trace::v1::Span> = spans.into_iter().map(Into::into).collect();
        prop_assert_eq!(encoded, expected);
    }
}
