//! What a process's traces are made by: it reads the context that comes, decides, and begins spans.

use std::{fmt, sync::Arc};

use http::HeaderMap;
use opentelemetry::{
    InstrumentationScope,
    trace::{SpanContext, SpanId, SpanKind, TraceFlags, TraceState},
};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

use super::{
    b3::Decision,
    batch::{Ended, Sink},
    propagators::{Propagators, Said},
    sampler::TraceSampler,
    span::{Active, Span, TraceIds},
};

/// Begins spans. Clones share everything.
#[derive(Clone)]
pub struct Tracer(Arc<Inner>);

pub(super) struct Inner {
    pub(super) propagators: Propagators,
    /// `None` where no exporter is on.
    recording: Option<Recording>,
}

pub(super) struct Recording {
    sampler: TraceSampler,
    ids: RandomIdGenerator,
    pub(super) scope: InstrumentationScope,
    queues: Vec<Arc<dyn Sink>>,
}

/// What a call's headers say of its trace.
#[derive(Debug, Clone)]
pub struct Incoming(Said);

impl Tracer {
    /// One that records nothing: headers pass as they came.
    pub fn off() -> Self {
        Self::new(Propagators::default(), None)
    }

    pub(super) fn recording(
        propagators: Propagators,
        sampler: TraceSampler,
        queues: Vec<Arc<dyn Sink>>,
    ) -> Self {
        let scope = InstrumentationScope::builder("octet").with_version(crate::identity::VERSION).build();
        let recording = Recording { sampler, ids: RandomIdGenerator::default(), scope, queues };
        Self::new(propagators, Some(recording))
    }

    pub(super) fn new(propagators: Propagators, recording: Option<Recording>) -> Self {
        Self(Arc::new(Inner { propagators, recording }))
    }

    /// Reads the headers of a request.
    pub fn incoming(&self, headers: &HeaderMap) -> Incoming {
        Incoming(self.0.propagators.extract(headers))
    }

    /// Reads the headers of a message.
    pub fn incoming_message(&self, headers: &[(String, String)]) -> Incoming {
        Incoming(self.0.propagators.extract(&headers))
    }

    /// Begins the first span that this process makes for a call or message: a child of the caller's, in a trace of its
    /// own where none came.
    ///
    /// Where the trace is not sampled the caller's ids go on as they came, so that no service further on can hang its
    /// span on one that nobody ever sees.
    pub fn begin(&self, incoming: &Incoming, kind: SpanKind, name: &str) -> Span {
        let Some(recording) = &self.0.recording else { return Span::off() };
        let Said { caller, b3 } = &incoming.0;
        let extra = b3.unwrap_or_default();
        let trace = caller.as_ref().map_or_else(|| recording.ids.new_trace_id(), SpanContext::trace_id);
        let is_sampled = recording.sampler.is_sampled(&incoming.0, trace);
        let flags = TraceFlags::default().with_sampled(is_sampled);
        let (span, parent, state) = match caller {
            Some(caller) if is_sampled => {
                (recording.ids.new_span_id(), Some(caller.span_id()), caller.trace_state().clone())
            }
            Some(caller) => (caller.span_id(), extra.parent, caller.trace_state().clone()),
            None => (recording.ids.new_span_id(), None, TraceState::NONE),
        };
        let active = Active {
            inner: self.0.clone(),
            context: SpanContext::new(trace, span, flags, false, state),
            parent,
            is_debug: extra.decision == Some(Decision::Debug),
        };
        Span::begun(active, kind, name, Remote::Yes)
    }
}

/// Whether a span's parent was made by another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remote {
    Yes,
    No,
}

impl Inner {
    pub(super) fn is_recording(&self) -> Option<&Recording> {
        self.recording.as_ref()
    }
}

impl Recording {
    pub(super) fn new_span_id(&self) -> SpanId {
        self.ids.new_span_id()
    }

    /// Hands a span that ended to each exporter's queue.
    pub(super) fn hand_over(&self, span: Ended<'_>) {
        for queue in &self.queues {
            queue.push(span);
        }
    }
}

impl Incoming {
    /// The trace's id as it came, for the log of a process that makes no spans.
    pub fn ids(&self) -> Option<TraceIds> {
        let caller = self.0.caller.as_ref()?;
        Some(TraceIds::new(caller.trace_id(), None))
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Tracer").field(&self.0.recording.is_some()).finish()
    }
}
