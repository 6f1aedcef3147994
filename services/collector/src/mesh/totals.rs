//! What is counted for the whole mesh.

use super::series::Part;

/// Counts that belong to no edge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Traces whose first span arrived.
    pub(crate) traces: u32,
    /// Spans that reporters dropped before they could send them.
    pub(crate) dropped: u32,
    /// Calls beyond the limits: of services with too many names, on too many edges, or of too large traces.
    pub(crate) uncounted: u32,
}

impl Part for Totals {
    fn absorb(&mut self, other: &Self) {
        self.traces = self.traces.saturating_add(other.traces);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.uncounted = self.uncounted.saturating_add(other.uncounted);
    }

    fn bytes(&self) -> usize {
        0
    }
}
