//! Spans for tests of the encoders.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use opentelemetry::{
    KeyValue, Value,
    trace::{Event as SdkEvent, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use proptest::{collection::vec, prelude::*};

use super::{
    attribute::{AttributeValue, Attributes},
    conventions::Conventions,
    propagators::PropagatorSettings,
    record::{Ended, Event, Record},
    recorder::Recording,
    sampler::TraceSampler,
    shape::{Fragment, Shape, ShapeParts},
};
use crate::environment::Environment;

/// Names of attributes, those that are read for the remote endpoint among them.
const NAMES: [&str; 8] = [
    "a",
    "peer.service",
    "server.address",
    "server.port",
    "network.peer.address",
    "network.peer.port",
    "error.type",
    "é",
];

/// The value of an attribute.
#[derive(Debug, Clone)]
enum Sampled {
    Text(String),
    Other(AttributeValue<'static>),
}

impl Sampled {
    fn value(&self) -> AttributeValue<'_> {
        match self {
            Self::Text(text) => text.into(),
            Self::Other(value) => *value,
        }
    }
}

/// A span, and what others say it is.
#[derive(Debug)]
pub(super) struct Sample {
    kind: SpanKind,
    name: String,
    constant: Vec<(&'static str, Sampled)>,
    own: Vec<(&'static str, Sampled)>,
    context: SpanContext,
    parent: Option<SpanId>,
    is_parent_remote: bool,
    is_debug: bool,
    start: u64,
    took: u64,
    events: Vec<String>,
    failure: Option<String>,
}

fn attributes() -> impl Strategy<Value = Vec<(&'static str, Sampled)>> {
    let value = prop_oneof![
        "\\PC{0,300}".prop_map(Sampled::Text),
        any::<bool>().prop_map(|flag| Sampled::Other(flag.into())),
        any::<i64>().prop_map(|whole| Sampled::Other(whole.into())),
        (0..60_000_i64).prop_map(|port| Sampled::Other(port.into())),
        any::<i32>().prop_map(|number| Sampled::Other((f64::from(number) / 4.0).into())),
        any::<[u8; 4]>().prop_map(|ip| Sampled::Other(std::net::IpAddr::from(ip).into())),
        any::<[u8; 16]>().prop_map(|ip| Sampled::Other(std::net::IpAddr::from(ip).into())),
    ];
    let mut names = NAMES.to_vec();
    // Each name is set once.
    names.sort_unstable();
    prop::sample::subsequence(names, 0..NAMES.len()).prop_flat_map(move |names| {
        vec(value.clone(), names.len())
            .prop_map(move |values| names.clone().into_iter().zip(values).collect())
    })
}

prop_compose! {
    pub(super) fn samples()(
        ids in (any::<bool>(), any::<u128>(), 1_u64.., any::<u64>()),
        flags in any::<(bool, bool)>(),
        kind in prop::sample::select(vec![
            SpanKind::Internal, SpanKind::Server, SpanKind::Client, SpanKind::Producer, SpanKind::Consumer,
        ]),
        name in "\\PC{0,200}",
        times in (0..u64::MAX / 4, 0..u64::MAX / 4),
        all in attributes(),
        share in any::<prop::sample::Index>(),
        events in vec("\\PC{0,9}", 0..3),
        failure in prop::option::of("\\PC{0,90}"),
    ) -> Sample {
        let (is_long, trace, id, parent) = ids;
        let trace = if is_long { trace } else { trace & u128::from(u64::MAX) };
        let flag = if flags.0 { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let trace = TraceId::from(trace.max(1));
        let split = share.index(all.len() + 1);
        let mut constant = all;
        let own = constant.split_off(split);
        Sample {
            kind,
            name,
            constant,
            own,
            context: SpanContext::new(trace, SpanId::from(id), flag, false, TraceState::NONE),
            parent: (parent > 0 && parent != id).then(|| SpanId::from(parent)),
            is_parent_remote: flags.1,
            is_debug: flags.0,
            start: times.0,
            took: times.1,
            events,
            failure,
        }
    }
}

impl Sample {
    /// Encodes the span as an exporter does.
    pub(super) fn encode(&self, shape: impl Fn(&ShapeParts<'_>) -> Fragment, span: impl FnOnce(Ended<'_>)) {
        let mut constant = Shape::new(self.kind.clone(), &self.name);
        for (name, value) in &self.constant {
            constant = constant.with(name, value.value());
        }
        let variables = std::collections::BTreeMap::<String, String>::new();
        let mut environment = Environment::new(&variables);
        PropagatorSettings::from_environment(&mut environment);
        let sampler = TraceSampler::from_environment(&mut environment);
        let recording = Recording::new(sampler, Conventions::default(), Vec::new());
        let record = self.record(constant.encoded(&recording));
        span(Ended { record: &record, fragment: &constant.fragment(Conventions::default(), shape) });
    }

    fn record(&self, shape: Arc<super::shape::Encoded>) -> Record {
        let mut attributes = Attributes::default();
        self.own.iter().for_each(|(name, value)| attributes.push(name, value.value()));
        let start = SystemTime::UNIX_EPOCH + Duration::from_nanos(self.start);
        let event = |value: &String| {
            let mut attributes = Attributes::default();
            attributes.push("reason", value.into());
            Event { name: "waits", time: start, attributes }
        };
        Record {
            context: self.context.clone(),
            parent: self.parent,
            is_parent_remote: self.is_parent_remote,
            is_debug: self.is_debug,
            shape,
            start,
            end: start + Duration::from_nanos(self.took),
            attributes,
            events: self.events.iter().map(event).collect(),
            dropped_events: u32::from(self.is_debug),
            failure: self.failure.clone(),
        }
    }

    /// As OpenTelemetry's SDK has it.
    pub(super) fn data(&self) -> SpanData {
        let start = SystemTime::UNIX_EPOCH + Duration::from_nanos(self.start);
        let attribute = |(name, value): &(&'static str, Sampled)| {
            let value = match value.value() {
                AttributeValue::Text(text) => Value::from(text.to_owned()),
                AttributeValue::Whole(whole) => whole.into(),
                AttributeValue::Fraction(fraction) => fraction.into(),
                AttributeValue::Flag(flag) => flag.into(),
                AttributeValue::Address(ip) => ip.to_canonical().to_string().into(),
            };
            KeyValue::new(*name, value)
        };
        let mut events = SpanEvents::default();
        for event in &self.events {
            events.events.push(SdkEvent::new(
                "waits",
                start,
                vec![KeyValue::new("reason", event.clone())],
                0,
            ));
        }
        events.dropped_count = u32::from(self.is_debug);
        SpanData {
            span_context: self.context.clone(),
            parent_span_id: self.parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: self.is_parent_remote,
            span_kind: self.kind.clone(),
            name: self.name.clone().into(),
            start_time: start,
            end_time: start + Duration::from_nanos(self.took),
            attributes: self.constant.iter().chain(&self.own).map(attribute).collect(),
            dropped_attributes_count: 0,
            events,
            links: SpanLinks::default(),
            status: self.failure.clone().map_or(Status::Unset, Status::error),
            instrumentation_scope: opentelemetry::InstrumentationScope::default(),
        }
    }
}
