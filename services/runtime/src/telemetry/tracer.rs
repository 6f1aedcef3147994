//! Reads the trace context of calls and messages, decides on sampling, and starts spans.

use std::{fmt, sync::Arc};

use http::HeaderMap;
use opentelemetry::trace::{SpanContext, SpanKind, TraceFlags, TraceState};

use super::{
    batch::Sink,
    conventions::Conventions,
    extracted::{Decision, Extracted},
    propagators::Propagators,
    recorder::{ActiveSpan, Recorder, Recording},
    sampler::TraceSampler,
    shape::{Encoded, Shape},
    span::{Parent, Span},
    w3c,
};

/// Starts spans. Clones share everything.
#[derive(Clone)]
pub struct Tracer(Arc<Recorder>);

impl Tracer {
    /// A tracer that records nothing: headers pass unchanged.
    pub fn off() -> Self {
        Self::new(Propagators::default(), None)
    }

    pub(super) fn recording(
        propagators: Propagators,
        sampler: TraceSampler,
        conventions: Conventions,
        queues: Vec<Arc<dyn Sink>>,
    ) -> Self {
        Self::new(propagators, Some(Recording::new(sampler, conventions, queues)))
    }

    pub(super) fn new(propagators: Propagators, recording: Option<Recording>) -> Self {
        Self(Arc::new(Recorder { propagators, recording }))
    }

    /// Reads the headers of a request.
    pub fn extract(&self, headers: &HeaderMap) -> Extracted {
        self.0.propagators.extract(headers)
    }

    /// Reads the headers of a message.
    pub fn extract_message(&self, headers: &[(String, String)]) -> Extracted {
        self.0.propagators.extract(&headers)
    }

    /// Starts the first span of this process for a call or message: a child of the caller's span, or the root of a new
    /// trace where no caller was extracted.
    ///
    /// Where the trace is not sampled, the caller's ids are propagated unchanged, so that no downstream span has a
    /// parent that is never exported.
    #[expect(clippy::needless_pass_by_value, reason = "callers name a kind")]
    pub fn start(&self, extracted: &Extracted, kind: SpanKind, name: &str) -> Span {
        self.start_with(extracted, |recording| recording.named(&kind, name))
    }

    /// As [`start`](Self::start), for a place that keeps the shape of its spans.
    pub fn start_of_shape(&self, extracted: &Extracted, shape: &Shape) -> Span {
        self.start_with(extracted, |recording| shape.encoded(recording))
    }

    pub(super) fn start_with(
        &self,
        extracted: &Extracted,
        shape: impl FnOnce(&Recording) -> Arc<Encoded>,
    ) -> Span {
        let Some(recording) = &self.0.recording else { return Span::off() };
        let Extracted { caller, b3, state: passed } = extracted;
        let b3 = b3.unwrap_or_default();
        let trace = caller.as_ref().map_or_else(|| recording.new_trace_id(), SpanContext::trace_id);
        let is_sampled = recording.sampler.is_sampled(extracted, trace);
        let random =
            caller.as_ref().map_or(TraceFlags::default(), |caller| caller.trace_flags() & w3c::RANDOM);
        let flags = random.with_sampled(is_sampled);
        let (span, parent, state) = match caller {
            Some(caller) if is_sampled => {
                (recording.new_span_id(), Some(caller.span_id()), caller.trace_state().clone())
            }
            Some(caller) => (caller.span_id(), b3.parent, caller.trace_state().clone()),
            None => (recording.new_span_id(), None, TraceState::NONE),
        };
        let active = ActiveSpan {
            recorder: self.0.clone(),
            context: SpanContext::new(trace, span, flags, false, state),
            parent,
            state: passed.clone(),
            is_debug: b3.decision == Some(Decision::Debug),
        };
        Span::start(active, shape, Parent::Remote)
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Tracer").field(&self.0.recording.is_some()).finish()
    }
}
