//! One step of a call, recorded from its start until it is dropped, and then handed to the exporters.
//!
//! Spans are OpenTelemetry's records, made without its tracer, which costs several times as much: what that offers
//! beyond this (processors, limits, spans that are shared between threads) is not needed here.

use std::time::{Instant, SystemTime};

use http::HeaderMap;
use opentelemetry::{
    Key, KeyValue, Value,
    trace::{Event, SpanContext, SpanId, SpanKind, Status},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::{
    batch::Ended,
    carrier::{remove_trace_headers, remove_trace_headers_of_message},
    conventions::Convention,
    recorder::ActiveSpan,
    trace_ids::{SampledIds, TraceIds},
};

/// Events of one span; further ones are counted and dropped, since a call may be retried for minutes.
const MAX_EVENTS: usize = 64;

/// Bytes of one text in a span. The export queue is bounded by its number of spans: this makes that a bound of its bytes
/// too, where a caller's path or user agent fills the whole head of a request.
const MAX_TEXT: usize = 1_024;

tokio::task_local! {
    /// The span within which the task works.
    static CURRENT: Option<ActiveSpan>;
}

/// A step in flight. It ends when it is dropped, which is also how a cancelled step ends.
#[must_use = "a span measures until it is dropped"]
pub struct Span {
    active: Option<ActiveSpan>,
    /// `None` where the trace is not sampled.
    record: Option<Box<Record>>,
}

/// Which process made a span's parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parent {
    Remote,
    Local,
}

struct Record {
    data: SpanData,
    started: Instant,
}

impl Span {
    /// A span that records nothing and leaves headers unchanged.
    pub fn off() -> Self {
        Self { active: None, record: None }
    }

    /// Starts a child of the span in whose [`scope`](Self::scope) this is called; [`off`](Self::off) outside of any.
    pub fn child(kind: SpanKind, name: &str) -> Self {
        let Some(caller) = CURRENT.try_with(Clone::clone).ok().flatten() else { return Self::off() };
        let Some(recording) = caller.recording() else { return Self { active: Some(caller), record: None } };
        let context = SpanContext::new(
            caller.context.trace_id(),
            recording.new_span_id(),
            caller.context.trace_flags(),
            false,
            caller.context.trace_state().clone(),
        );
        let parent = Some(caller.context.span_id());
        Self::start(ActiveSpan { context, parent, ..caller }, kind, name, Parent::Local)
    }

    pub(super) fn start(active: ActiveSpan, kind: SpanKind, name: &str, parent: Parent) -> Self {
        let record = active.recording().map(|recording| {
            let now = SystemTime::now();
            let data = SpanData {
                span_context: active.context.clone(),
                parent_span_id: active.parent.unwrap_or(SpanId::INVALID),
                parent_span_is_remote: parent == Parent::Remote && active.parent.is_some(),
                span_kind: kind,
                name: shortened(name, MAX_TEXT).into(),
                start_time: now,
                end_time: now,
                attributes: Vec::with_capacity(10),
                dropped_attributes_count: 0,
                events: SpanEvents::default(),
                links: SpanLinks::default(),
                status: Status::Unset,
                instrumentation_scope: recording.scope.clone(),
            };
            Box::new(Record { data, started: Instant::now() })
        });
        Self { active: Some(active), record }
    }

    /// Whether the span is recorded. Where it is not, setting attributes costs next to nothing.
    pub fn is_recording(&self) -> bool {
        self.record.is_some()
    }

    /// Sets an attribute, named by OpenTelemetry's semantic conventions where they have a name. Set each name once; a
    /// text is cut after 1,024 bytes.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(record) = &mut self.record {
            let value = match value.into() {
                Value::String(text) if text.as_str().len() > MAX_TEXT => {
                    shortened(text.as_str(), MAX_TEXT).into()
                }
                value => value,
            };
            record.data.attributes.push(KeyValue::new(name, value));
        }
    }

    /// Sets an attribute under its name of before `convention` was stable, where the environment asks for both names.
    pub fn set_earlier<V: Into<Value>>(
        &mut self,
        convention: Convention,
        name: &'static str,
        value: impl FnOnce() -> V,
    ) {
        let recording = self.active.as_ref().and_then(ActiveSpan::recording);
        if recording.is_some_and(|recording| recording.conventions.are_duplicated(convention)) {
            self.set(name, value());
        }
    }

    /// Adds an event at this moment.
    pub fn event(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        let Some(record) = &mut self.record else { return };
        let SpanEvents { events, dropped_count, .. } = &mut record.data.events;
        if events.len() >= MAX_EVENTS {
            *dropped_count += 1;
            return;
        }
        let now = record.data.start_time + record.started.elapsed();
        let attributes = attributes
            .iter()
            .map(|(name, value)| KeyValue::new(Key::from(*name), shortened(value, MAX_TEXT)));
        events.push(Event::new(name, now, attributes.collect(), 0));
    }

    /// Sets the status to error.
    pub fn fail(&mut self, description: impl FnOnce() -> String) {
        if let Some(record) = &mut self.record {
            record.data.status = Status::error(shortened(&description(), MAX_TEXT));
        }
    }

    /// The ids, where an exporter is on, sampled or not.
    pub fn ids(&self) -> Option<TraceIds> {
        let active = self.active.as_ref()?;
        Some(TraceIds::new(active.context.trace_id(), Some(active.context.span_id())))
    }

    /// The ids, where the trace is sampled.
    pub fn sampled_ids(&self) -> Option<SampledIds> {
        let context = &self.record.as_ref()?.data.span_context;
        Some(SampledIds { trace: context.trace_id(), span: context.span_id() })
    }

    /// Makes every span that `work` starts a child of this one.
    pub fn scope<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.active.clone(), work)
    }

    /// Replaces the trace headers of the last hop by this span's. Where no exporter is on, `headers` stay unchanged.
    pub fn inject(&self, headers: &mut HeaderMap) {
        if let Some(active) = &self.active {
            remove_trace_headers(headers);
            active.inject(headers);
        }
    }

    /// As [`inject`](Self::inject), for the headers of a message.
    pub fn inject_message(&self, headers: &mut Vec<(String, String)>) {
        if let Some(active) = &self.active {
            remove_trace_headers_of_message(headers);
            active.inject(headers);
        }
    }
}

/// Lets `work` run elsewhere as if it ran here: the spans that it starts have the same parent.
pub fn in_current_scope<F: Future>(work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(CURRENT.try_with(Clone::clone).ok().flatten(), work)
}

/// A text, cut after `limit` bytes.
pub(super) fn shortened(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(limit);
    format!("{}…", text.get(..end).unwrap_or_default())
}

impl Drop for Span {
    fn drop(&mut self) {
        let (Some(active), Some(record)) = (&self.active, &mut self.record) else { return };
        record.data.end_time = record.data.start_time + record.started.elapsed();
        if let Some(recording) = active.recording() {
            recording.export(Ended { data: &record.data, is_debug: active.is_debug });
        }
    }
}
