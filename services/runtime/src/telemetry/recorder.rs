//! What every span of a process shares: the formats of its context, the sampler, and the exporters' queues.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

use super::{
    batch::Sink,
    carrier::CarrierMut,
    conventions::Conventions,
    extracted::{B3, Decision},
    grpc::Call,
    propagators::Propagators,
    record::{Ended, Record},
    sampler::TraceSampler,
    shape::{Encoded, Fragment, Shape, ShapeParts, Shapes},
};

/// The propagators, and what records spans where an exporter is on.
pub(super) struct Recorder {
    pub(super) propagators: Propagators,
    pub(super) recording: Option<Recording>,
}

pub(super) struct Recording {
    /// Distinguishes it from others of the program, for shapes that are encoded for it.
    pub(super) id: u64,
    pub(super) sampler: TraceSampler,
    pub(super) conventions: Conventions,
    /// Of gRPC calls.
    pub(super) calls: Shapes<Call<String>>,
    named: Shapes<(SpanKind, String)>,
    ids: RandomIdGenerator,
    queues: Vec<Arc<dyn Sink>>,
}

impl Recording {
    pub(super) fn new(sampler: TraceSampler, conventions: Conventions, queues: Vec<Arc<dyn Sink>>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let (calls, named) = (Shapes::default(), Shapes::default());
        Self { id, sampler, conventions, calls, named, ids: RandomIdGenerator::default(), queues }
    }

    pub(super) fn new_trace_id(&self) -> TraceId {
        self.ids.new_trace_id()
    }

    pub(super) fn new_span_id(&self) -> SpanId {
        self.ids.new_span_id()
    }

    /// The shape of spans that have only their kind and name in common.
    pub(super) fn named(&self, kind: &SpanKind, name: &str) -> Arc<Encoded> {
        let is = |(known, other): &(SpanKind, String)| known == kind && other == name;
        self.named.get(self, is, || ((kind.clone(), name.to_owned()), Shape::new(kind.clone(), name)))
    }

    /// A shape as each exporter encodes it.
    pub(super) fn fragments(&self, shape: &ShapeParts<'_>) -> Vec<Fragment> {
        self.queues.iter().map(|queue| queue.shape(shape)).collect()
    }

    /// Hands an ended span to each exporter's queue.
    pub(super) fn export(&self, record: &Record) {
        for (queue, fragment) in self.queues.iter().zip(&record.shape.fragments) {
            queue.push(Ended { record, fragment });
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
