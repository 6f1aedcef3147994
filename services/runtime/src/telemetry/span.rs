//! One step of a call: begun, told about, and handed to the exporters when it is dropped.
//!
//! Spans are OpenTelemetry's records, made without its tracer, which costs several times as much: what that offers
//! beyond this (processors, limits, spans that are shared between threads) nothing here needs.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use http::HeaderMap;
use opentelemetry::{
    Key, KeyValue, Value,
    trace::{Event, SpanContext, SpanId, SpanKind, Status, TraceId},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::{
    b3::{B3, Decision, span_id_digits, write_trace_id},
    batch::Ended,
    carrier::{CarrierMut, remove_trace_headers, remove_trace_headers_of_message},
    tracer::{Inner, Remote},
};

/// The most that one span holds of events: a call that is tried again for minutes must not grow without bound.
const MOST_EVENTS: usize = 64;

/// Bytes that are told of one text. Spans that wait are bounded by their number: this makes that a bound of their bytes
/// too, where a caller's path or user agent fills the whole head of a request.
const LONGEST_TEXT: usize = 1_024;

tokio::task_local! {
    /// The span within which the task works.
    static CURRENT: Option<Active>;
}

/// A step under way. It ends when it is dropped, which is also how a step that was cancelled ends.
#[must_use = "a span measures until it is dropped"]
pub struct Span {
    active: Option<Active>,
    /// `None` where the trace is not sampled.
    record: Option<Box<Record>>,
}

/// Which trace is worked for, and what the next hop is told of it.
#[derive(Clone)]
pub(super) struct Active {
    pub(super) inner: Arc<Inner>,
    pub(super) context: SpanContext,
    pub(super) parent: Option<SpanId>,
    pub(super) is_debug: bool,
}

struct Record {
    data: SpanData,
    begun: Instant,
}

/// The ids of a span as text, for log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceIds {
    /// 16 or 32 digits.
    pub trace: String,
    /// 16 digits; `None` where the process makes no span.
    pub span: Option<String>,
}

impl Span {
    /// One that records nothing and leaves headers as they are.
    pub fn off() -> Self {
        Self { active: None, record: None }
    }

    /// Begins a step of the span in whose [`scope`](Self::scope) this is called; outside of any, [`off`](Self::off).
    pub fn child(kind: SpanKind, name: &str) -> Self {
        let Some(caller) = CURRENT.try_with(Clone::clone).ok().flatten() else { return Self::off() };
        let Some(recording) = caller.inner.is_recording().filter(|_| caller.context.is_sampled()) else {
            return Self { active: Some(caller), record: None };
        };
        let context = SpanContext::new(
            caller.context.trace_id(),
            recording.new_span_id(),
            caller.context.trace_flags(),
            false,
            caller.context.trace_state().clone(),
        );
        let parent = Some(caller.context.span_id());
        Self::begun(Active { context, parent, ..caller }, kind, name, Remote::No)
    }

    pub(super) fn begun(active: Active, kind: SpanKind, name: &str, parent: Remote) -> Self {
        let recording = active.inner.is_recording().filter(|_| active.context.is_sampled());
        let record = recording.map(|recording| {
            let now = SystemTime::now();
            let data = SpanData {
                span_context: active.context.clone(),
                parent_span_id: active.parent.unwrap_or(SpanId::INVALID),
                parent_span_is_remote: parent == Remote::Yes && active.parent.is_some(),
                span_kind: kind,
                name: shortened(name).into(),
                start_time: now,
                end_time: now,
                attributes: Vec::with_capacity(10),
                dropped_attributes_count: 0,
                events: SpanEvents::default(),
                links: SpanLinks::default(),
                status: Status::Unset,
                instrumentation_scope: recording.scope.clone(),
            };
            Box::new(Record { data, begun: Instant::now() })
        });
        Self { active: Some(active), record }
    }

    /// Whether what is told is kept; telling costs next to nothing where it is not.
    pub fn is_recording(&self) -> bool {
        self.record.is_some()
    }

    /// Tells one thing, under a name of OpenTelemetry's semantic conventions where they have one. Once a name; of a text
    /// that is longer than 1,024 bytes its beginning.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(record) = &mut self.record {
            let value = match value.into() {
                Value::String(text) if text.as_str().len() > LONGEST_TEXT => shortened(text.as_str()).into(),
                value => value,
            };
            record.data.attributes.push(KeyValue::new(name, value));
        }
    }

    /// Tells that something happened at this moment.
    pub fn event(&mut self, name: &'static str, told: &[(&'static str, &str)]) {
        let Some(record) = &mut self.record else { return };
        let SpanEvents { events, dropped_count, .. } = &mut record.data.events;
        if events.len() >= MOST_EVENTS {
            *dropped_count += 1;
            return;
        }
        let now = record.data.start_time + record.begun.elapsed();
        let told = told.iter().map(|(name, value)| KeyValue::new(Key::from(*name), shortened(value)));
        events.push(Event::new(name, now, told.collect(), 0));
    }

    /// Says that the step failed, and how.
    pub fn fail(&mut self, description: impl FnOnce() -> String) {
        if let Some(record) = &mut self.record {
            record.data.status = Status::error(shortened(&description()));
        }
    }

    /// The ids, where spans are made, sampled or not.
    pub fn ids(&self) -> Option<TraceIds> {
        let active = self.active.as_ref()?;
        Some(TraceIds::new(active.context.trace_id(), Some(active.context.span_id())))
    }

    /// Has everything that `work` begins be a step of this span.
    pub fn scope<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.active.clone(), work)
    }

    /// Tells the next hop which trace it works for, in place of what came from the last. Where no exporter is on, what
    /// came stays.
    pub fn write_to(&self, headers: &mut HeaderMap) {
        if let Some(active) = &self.active {
            remove_trace_headers(headers);
            active.inject(headers);
        }
    }

    /// As [`write_to`](Self::write_to), for the headers of a message.
    pub fn write_to_message(&self, headers: &mut Vec<(String, String)>) {
        if let Some(active) = &self.active {
            remove_trace_headers_of_message(headers);
            active.inject(headers);
        }
    }
}

/// A text, or the beginning of a long one.
fn shortened(text: &str) -> String {
    if text.len() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(LONGEST_TEXT);
    format!("{}…", text.get(..end).unwrap_or_default())
}

impl TraceIds {
    pub(super) fn new(trace: TraceId, span: Option<SpanId>) -> Self {
        // Digits are always text.
        let text = |digits: &[u8]| std::str::from_utf8(digits).unwrap_or_default().to_owned();
        let mut ids = Self { trace: String::new(), span: span.map(|span| text(&span_id_digits(span))) };
        write_trace_id(trace, |digits| ids.trace = text(digits));
        ids
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let (Some(active), Some(record)) = (&self.active, &mut self.record) else { return };
        record.data.end_time = record.data.start_time + record.begun.elapsed();
        if let Some(recording) = active.inner.is_recording() {
            recording.hand_over(Ended { data: &record.data, is_debug: active.is_debug });
        }
    }
}

impl Active {
    /// Writes what the next hop is told.
    fn inject(&self, headers: &mut dyn CarrierMut) {
        let decision = match (self.is_debug, self.context.is_sampled()) {
            (true, _) => Decision::Debug,
            (false, true) => Decision::Accept,
            (false, false) => Decision::Deny,
        };
        let b3 = B3 { decision: Some(decision), parent: self.parent };
        self.inner.propagators.inject(&self.context, b3, headers);
    }
}
