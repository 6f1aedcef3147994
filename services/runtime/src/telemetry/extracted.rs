//! What the headers of a call or a message say about its trace.

use std::sync::Arc;

use opentelemetry::trace::{SpanContext, SpanId};

use super::trace_ids::TraceIds;

/// The caller's span, what B3 adds to it, both, or neither.
#[derive(Debug, Clone, Default)]
pub struct Extracted {
    pub(super) caller: Option<SpanContext>,
    pub(super) b3: Option<B3>,
    /// `tracestate` as it is passed on.
    pub(super) state: Option<Arc<str>>,
}

impl Extracted {
    /// The trace's id as it came, for the log of a process that makes no spans.
    pub fn ids(&self) -> Option<TraceIds> {
        self.caller.as_ref().map(|caller| TraceIds::new(caller.trace_id(), None))
    }
}

/// B3's sampling decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Record the trace.
    Accept,
    /// Do not record it.
    Deny,
    /// Record it, whatever a sampler decides.
    Debug,
}

impl Decision {
    /// Whether spans are recorded.
    pub fn is_sampled(self) -> bool {
        self != Self::Deny
    }
}

/// What B3 adds to a span context. It is stored in a [`Context`](opentelemetry::Context) as a value, beside the remote
/// span context, or alone where a decision came without ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct B3 {
    /// `None` where the caller deferred the decision.
    pub decision: Option<Decision>,
    /// The parent of the caller's span.
    pub parent: Option<SpanId>,
}
