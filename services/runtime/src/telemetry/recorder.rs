//! What every span of a process shares: the formats of its context, the sampler, and the exporters' queues.

use std::sync::Arc;

use opentelemetry::{
    InstrumentationScope,
    trace::{SpanContext, SpanId, TraceId},
};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

use super::{
    batch::{Ended, Sink},
    carrier::CarrierMut,
    conventions::Conventions,
    extracted::{B3, Decision},
    propagators::Propagators,
    sampler::TraceSampler,
};

/// The propagators, and what records spans where an exporter is on.
pub(super) struct Recorder {
    pub(super) propagators: Propagators,
    pub(super) recording: Option<Recording>,
}

pub(super) struct Recording {
    pub(super) sampler: TraceSampler,
    pub(super) conventions: Conventions,
    pub(super) scope: InstrumentationScope,
    ids: RandomIdGenerator,
    queues: Vec<Arc<dyn Sink>>,
}

impl Recording {
    pub(super) fn new(sampler: TraceSampler, conventions: Conventions, queues: Vec<Arc<dyn Sink>>) -> Self {
        let scope = InstrumentationScope::builder("octet").with_version(crate::identity::VERSION).build();
        Self { sampler, conventions, scope, ids: RandomIdGenerator::default(), queues }
    }

    pub(super) fn new_trace_id(&self) -> TraceId {
        self.ids.new_trace_id()
    }

    pub(super) fn new_span_id(&self) -> SpanId {
        self.ids.new_span_id()
    }

    /// Hands an ended span to each exporter's queue.
    pub(super) fn export(&self, span: Ended<'_>) {
        for queue in &self.queues {
            queue.push(span);
        }
    }
}

/// The trace that is worked for, as the next hop learns it.
#[derive(Clone)]
pub(super) struct ActiveSpan {
    pub(super) recorder: Arc<Recorder>,
    pub(super) context: SpanContext,
    pub(super) parent: Option<SpanId>,
    pub(super) is_debug: bool,
    /// `tracestate`, which the SDK's `TraceState` does not hold in all its valid forms.
    pub(super) state: Option<Arc<str>>,
}

impl ActiveSpan {
    /// What records this span; `None` where no exporter is on or the trace is not sampled.
    pub(super) fn recording(&self) -> Option<&Recording> {
        self.recorder.recording.as_ref().filter(|_| self.context.is_sampled())
    }

    /// Writes the context for the next hop.
    pub(super) fn inject(&self, headers: &mut dyn CarrierMut) {
        let decision = match (self.is_debug, self.context.is_sampled()) {
            (true, _) => Decision::Debug,
            (false, true) => Decision::Accept,
            (false, false) => Decision::Deny,
        };
        let b3 = B3 { decision: Some(decision), parent: self.parent };
        self.recorder.propagators.inject(&self.context, b3, self.state.as_deref(), headers);
    }
}
