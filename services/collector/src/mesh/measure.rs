//! Sums up the counts of a period, in steps of one edge each.

use octet_zipkin::edges::{Edge, EdgeKind};

use super::{
    Mesh, Totals,
    cell::Cell,
    edges,
    histogram::Sum,
    series::{Part as _, Period},
};
use crate::store::{Store, Work};

/// The counts of a period.
#[derive(Debug)]
pub struct Measured {
    /// The edges, ordered by their names.
    pub edges: Vec<Edge>,
    /// Traces whose first span arrived.
    pub traces: u32,
    /// Spans that reporters dropped before they could send them: their calls are missing.
    pub dropped_spans: u32,
    /// Calls beyond the limits on names, edges, and the size of a trace.
    pub uncounted_calls: u32,
    /// The period that the counts cover, in seconds since the start.
    pub(crate) period: Period,
    /// Since when everything that arrived is in the counts, in seconds since the start.
    pub(crate) complete_since: u32,
}

/// Sums up the counts of a period.
#[derive(Debug)]
pub struct MeasureEdges {
    period: Period,
    next: usize,
    edges: Vec<Edge>,
}

impl MeasureEdges {
    /// Starts summing up.
    pub(crate) fn new(store: &Store, period: Period) -> Self {
        Self { period: period.covered(store.mesh().counts.ages), next: 0, edges: Vec::new() }
    }

    /// Starts summing up everything that is kept.
    pub fn all(store: &Store) -> Self {
        Self::new(store, Period { from: 0, to: u32::MAX })
    }

    /// The counts, once all steps are done.
    pub fn finish(mut self, store: &Store) -> Measured {
        let mesh = store.mesh();
        self.edges.sort_by(|one, other| {
            (&one.caller, &one.callee, one.kind).cmp(&(&other.caller, &other.callee, other.kind))
        });
        let period = self.period;
        let mut totals = Totals::default();
        mesh.counts.totals.parts(period).for_each(|part| totals.absorb(part));
        Measured {
            edges: self.edges,
            traces: totals.traces,
            dropped_spans: totals.dropped,
            uncounted_calls: totals.uncounted,
            period,
            complete_since: mesh.counts.ages.kept,
        }
    }
}

impl Work for MeasureEdges {
    fn step(&mut self, store: &Store) -> bool {
        let mesh = store.mesh();
        let Some((edge, next)) = mesh.counts.edges.next(self.next) else { return false };
        self.next = next;
        self.edges.extend(mesh.summed(edge, self.period));
        true
    }
}

impl Mesh {
    fn summed(&self, edge: &edges::Edge, period: Period) -> Option<Edge> {
        let mut sum = Cell::default();
        let (mut durations, mut waits) = (Sum::default(), Sum::default());
        for cell in edge.cells.parts(period) {
            sum.absorb_counts(cell);
            durations.add(&cell.durations);
            if let Some(histogram) = &cell.waits {
                waits.add(histogram);
            }
        }
        if sum.count == 0 {
            return None;
        }
        let codes = sum.codes.iter().filter(|(_, count)| *count > 0);
        let codes = codes.filter_map(|(code, count)| Some((self.codes.code(*code)?, u64::from(*count))));
        let kind = edge.ends.kind;
        Some(Edge {
            caller: self.names.name(edge.ends.caller)?.into(),
            callee: self.names.name(edge.ends.callee)?.into(),
            kind,
            count: u64::from(sum.count),
            errors: u64::from(sum.errors),
            propagated: u64::from(sum.propagated),
            cancelled: u64::from(sum.cancelled),
            codes: codes.collect(),
            duration: durations.percentiles(),
            queue_wait: (kind == EdgeKind::Messaging).then(|| waits.percentiles()),
        })
    }
}
