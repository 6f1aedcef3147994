//! One step of a call, recorded from its start until it is dropped, and then handed to the exporters.
//!
//! Spans are made without OpenTelemetry's tracer, which costs several times as much: what that offers beyond this
//! (processors, spans that are shared between threads) is not needed here.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use http::HeaderMap;
use opentelemetry::trace::{SpanContext, SpanKind};

use super::{
    attribute::{AttributeValue, Attributes},
    carrier::{remove_trace_headers, remove_trace_headers_of_message},
    conventions::Convention,
    record::Record,
    recorder::{ActiveSpan, Recording},
    shape::{Encoded, Shape},
    trace_ids::{SampledIds, TraceIds},
};

tokio::task_local! {
    /// The span within which the task works.
    static CURRENT: Option<ActiveSpan>;
}

/// A step in flight. It ends when it is dropped, which is also how a cancelled step ends.
#[must_use = "a span measures until it is dropped"]
pub struct Span {
    active: Option<ActiveSpan>,
    /// `None` where the trace is not sampled; with the moment of its start.
    record: Option<Box<(Record, Instant)>>,
}

/// Which process made a span's parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parent {
    Remote,
    Local,
}

impl Span {
    /// A span that records nothing and leaves headers unchanged.
    pub fn off() -> Self {
        Self { active: None, record: None }
    }

    /// Starts a child of the span in whose [`scope`](Self::scope) this is called; [`off`](Self::off) outside of any.
    #[expect(clippy::needless_pass_by_value, reason = "callers name a kind")]
    pub fn child(kind: SpanKind, name: &str) -> Self {
        Self::child_with(|recording| recording.named(&kind, name))
    }

    /// As [`child`](Self::child), for a place that keeps the shape of its spans.
    pub fn child_of_shape(shape: &Shape) -> Self {
        Self::child_with(|recording| shape.encoded(recording))
    }

    pub(super) fn child_with(shape: impl FnOnce(&Recording) -> Arc<Encoded>) -> Self {
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
        Self::start(ActiveSpan { context, parent, ..caller }, shape, Parent::Local)
    }

    pub(super) fn start(
        active: ActiveSpan,
        shape: impl FnOnce(&Recording) -> Arc<Encoded>,
        parent: Parent,
    ) -> Self {
        let record = active.recording().map(|recording| {
            let now = SystemTime::now();
            let record = Record {
                context: active.context.clone(),
                parent: active.parent,
                is_parent_remote: parent == Parent::Remote && active.parent.is_some(),
                is_debug: active.is_debug,
                shape: shape(recording),
                start: now,
                end: now,
                attributes: Attributes::default(),
                events: Vec::new(),
                dropped_events: 0,
                failure: None,
            };
            Box::new((record, Instant::now()))
        });
        Self { active: Some(active), record }
    }

    /// Whether the span is recorded. Where it is not, setting attributes costs next to nothing.
    pub fn is_recording(&self) -> bool {
        self.record.is_some()
    }

    /// Sets an attribute, named by OpenTelemetry's semantic conventions where they have a name. Set each name once; a
    /// text is cut after 1,024 bytes.
    pub fn set<'a>(&mut self, name: &'static str, value: impl Into<AttributeValue<'a>>) {
        if let Some(record) = &mut self.record {
            record.0.attributes.push(name, value.into());
        }
    }

    /// Sets an attribute under its name of before `convention` was stable, where the environment asks for both names.
    pub fn set_earlier<'a, V: Into<AttributeValue<'a>>>(
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
        if let Some((record, started)) = self.record.as_deref_mut() {
            let now = record.start + started.elapsed();
            record.add_event(name, now, attributes);
        }
    }

    /// Sets the status to error.
    pub fn fail(&mut self, description: impl FnOnce() -> String) {
        if let Some(record) = &mut self.record {
            record.0.fail(&description());
        }
    }

    /// The ids, where an exporter is on, sampled or not.
    pub fn ids(&self) -> Option<TraceIds> {
        let active = self.active.as_ref()?;
        Some(TraceIds::new(active.context.trace_id(), Some(active.context.span_id())))
    }

    /// The ids, where the trace is sampled.
    pub fn sampled_ids(&self) -> Option<SampledIds> {
        let context = &self.record.as_ref()?.0.context;
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

impl Drop for Span {
    fn drop(&mut self) {
        let (Some(active), Some((record, started))) = (&self.active, self.record.as_deref_mut()) else {
            return;
        };
        record.end = record.start + started.elapsed();
        if let Some(recording) = active.recording() {
            recording.export(record);
        }
    }
}
