//! The index of traces by their timestamp. Most traces change their timestamp with several of their spans and are evicted
//! before anybody searches, so traces enter the index only when it is used.

use std::collections::BTreeSet;

use octet_zipkin::TraceId;

use super::{Store, trace::Trace};

/// The traces that are indexed at once.
const AT_ONCE: usize = 64;

#[derive(Debug, Default)]
pub(super) struct ByTime {
    /// Without the traces that have no timestamp, which are found only by their ids.
    pub(super) ordered: BTreeSet<(u64, TraceId)>,
    /// The traces whose timestamp changed since; evicted ones included.
    stale: Vec<TraceId>,
}

impl ByTime {
    /// Notes that a trace may have a new timestamp.
    pub(super) fn note(&mut self, id: TraceId, trace: &mut Trace) {
        if !trace.is_stale && trace.indexed != trace.timestamp() {
            trace.is_stale = true;
            self.stale.push(id);
        }
    }

    /// Removes an evicted trace.
    pub(super) fn remove(&mut self, id: TraceId, trace: &Trace) {
        if trace.indexed > 0 {
            self.ordered.remove(&(trace.indexed, id));
        }
    }

    /// Whether evicted traces are most of what is noted, while nobody searches.
    pub(super) fn is_littered(&self, traces: usize) -> bool {
        self.stale.len() > 2 * traces + AT_ONCE
    }
}

impl Store {
    /// Indexes some of the traces that changed; false when none is left.
    pub fn index_next(&mut self) -> bool {
        let left = self.by_time.stale.len().saturating_sub(AT_ONCE);
        for id in self.by_time.stale.drain(left..) {
            let Some(trace) = self.traces.get_mut(&id) else { continue };
            trace.is_stale = false;
            let timestamp = trace.timestamp();
            let before = std::mem::replace(&mut trace.indexed, timestamp);
            if before != timestamp {
                self.by_time.ordered.remove(&(before, id));
                self.by_time.ordered.insert((timestamp, id));
            }
        }
        left > 0
    }
}
