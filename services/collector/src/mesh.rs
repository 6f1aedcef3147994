//! Calls, errors and durations of each edge of the mesh, counted as spans arrive.
//!
//! The counts are apart from the stored traces: evicting a trace changes none. They are kept by the second for 16 minutes,
//! and by the minute for a day, in buckets of the second in which a call's first span arrived. All memory is bounded: when
//! the buckets exceed their share, seconds become minutes earlier and the oldest minutes are dropped, and
//! [`Measured::complete_since`] moves.

mod cell;
mod codes;
mod edges;
mod facts;
mod halves;
mod histogram;
mod measure;
mod names;
mod series;
mod totals;
mod trace;

use std::collections::{HashMap, VecDeque};

use foldhash::quality::RandomState;
use octet_zipkin::{TraceId, packed::Summary};

pub use self::measure::{MeasureEdges, Measured};
use self::{
    cell::Call,
    codes::Codes,
    edges::{Edges, Ends},
    facts::Facts,
    halves::Halves,
    names::{NameId, Names},
    series::{Ages, MINUTE, Series},
    trace::{Counted, Counts, Published, Trace},
};
pub(crate) use self::{
    histogram::{Histogram, Sum},
    series::Period,
    totals::Totals,
};

/// For how long counts are kept by the second, and at all; in seconds. A query of 15 minutes takes less than a minute.
const BY_SECOND: u32 = 16 * MINUTE;
const KEPT: u32 = 24 * 60 * MINUTE;

/// Under pressure, this many seconds at once become part of their minute.
const RELIEF: u32 = 10;

/// Seconds after which a server or consumer whose caller has not arrived counts by itself.
const SETTLED: u32 = 3;

/// Seconds without a span after which a trace is forgotten. Under pressure this happens earlier.
const FORGOTTEN: u32 = 60;

/// The maximum number of messages that wait for a consumer longer than their trace is remembered.
const MAX_PUBLISHED: usize = 16 * 1024;

/// The number of traces that are settled before others have their turn.
const SETTLED_AT_ONCE: usize = 64;

/// The bytes of a trace, and of a published message, beside their entries.
const TRACE: usize = 160;
const PUBLISHED: usize = 96;

/// The counts of all edges.
#[derive(Debug)]
pub(crate) struct Mesh {
    names: Names,
    codes: Codes,
    /// The traces whose spans are being matched. Boxed, so that the map stays small.
    traces: HashMap<TraceId, Box<Trace>, RandomState>,
    /// By the second of their last arrival, as far as known: a trace that grew moves back when it comes first.
    order: VecDeque<(u32, TraceId)>,
    /// The traces that wait to be settled, by the second in which they are.
    due: VecDeque<(u32, TraceId)>,
    counts: Store,
    trace_bytes: usize,
    max_trace_bytes: usize,
    max_count_bytes: usize,
    names_retained: u32,
}

/// What traces count into.
#[derive(Debug)]
struct Store {
    edges: Edges,
    totals: Series<Totals>,
    ages: Ages,
    now: u32,
    halves: Halves,
    published: HashMap<(TraceId, u64), Published, RandomState>,
    published_order: VecDeque<(TraceId, u64)>,
}

/// Counts for one trace.
struct ForTrace<'a> {
    id: TraceId,
    store: &'a mut Store,
}

impl Mesh {
    /// Empty; uses at most about `bytes`.
    pub(crate) fn new(bytes: usize) -> Self {
        let (name_bytes, max_count_bytes) = (bytes / 8, bytes / 16 * 7);
        let max_trace_bytes = bytes - name_bytes - max_count_bytes;
        Self {
            names: Names::new(name_bytes),
            codes: Codes::default(),
            traces: HashMap::default(),
            order: VecDeque::new(),
            due: VecDeque::new(),
            counts: Store {
                edges: Edges::new(max_count_bytes),
                totals: Series::default(),
                ages: Ages::default(),
                now: 0,
                halves: Halves::new(max_trace_bytes / 4),
                published: HashMap::default(),
                published_order: VecDeque::new(),
            },
            trace_bytes: 0,
            max_trace_bytes,
            max_count_bytes,
            names_retained: 0,
        }
    }

    /// Counts a span that arrived.
    pub(crate) fn add(&mut self, span: &Summary<'_>) {
        let facts = Facts::of(span, &mut self.names, &mut self.codes);
        let now = self.counts.now;
        let id = span.trace_id;
        let mut is_new = false;
        let trace = self.traces.entry(id).or_insert_with(|| {
            is_new = true;
            Box::default()
        });
        if is_new {
            self.order.push_back((now, id));
            self.trace_bytes += TRACE;
        }
        trace.last = now;
        let before = trace.bytes();
        let mut counts = ForTrace { id, store: &mut self.counts };
        let is_counted = trace.add(span.id.number(), facts, &mut counts);
        self.trace_bytes = self.trace_bytes + trace.bytes() - before;
        if !trace.is_due && trace.needs_settling() {
            trace.is_due = true;
            self.due.push_back((now + SETTLED, id));
        }
        if is_new || !is_counted {
            self.counts.total(|totals| {
                totals.traces = totals.traces.saturating_add(u32::from(is_new));
                totals.uncounted = totals.uncounted.saturating_add(u32::from(!is_counted));
            });
        }
        while self.trace_bytes + self.counts.halves.bytes() > self.max_trace_bytes && self.traces.len() > 1 {
            self.forget_quietest();
        }
        self.clear_due();
        self.relieve();
    }

    /// Removes forgotten traces from those that are due, when they are most of them: a flood of short traces is forgotten
    /// faster than it is due.
    fn clear_due(&mut self) {
        if self.due.len() > 2 * self.traces.len() + SETTLED_AT_ONCE {
            let traces = &self.traces;
            self.due.retain(|(_, id)| traces.get(id).is_some_and(|trace| trace.is_due));
        }
    }

    /// Counts spans that a reporter had to drop.
    pub(crate) fn add_dropped(&mut self, spans: u64) {
        let spans = u32::try_from(spans).unwrap_or(u32::MAX);
        self.counts.total(|totals| totals.dropped = totals.dropped.saturating_add(spans));
    }

    /// Moves to a second, counted from the start. Returns whether more is left to do for it.
    pub(crate) fn advance(&mut self, now: u32) -> bool {
        for _ in 0..SETTLED_AT_ONCE {
            let Some((_, id)) = self.due.pop_front_if(|(due, _)| *due <= now) else { break };
            if let Some(trace) = self.traces.get_mut(&id) {
                trace.is_due = false;
                trace.settle(&mut ForTrace { id, store: &mut self.counts });
            }
        }
        self.counts.halves.age(now);
        for _ in 0..SETTLED_AT_ONCE {
            let is_old = |(second, _): &(u32, TraceId)| second.saturating_add(FORGOTTEN) <= now;
            if !self.order.front().is_some_and(is_old) {
                break;
            }
            self.forget_quietest();
        }
        if now > self.counts.now {
            self.counts.now = now;
            self.age();
        }
        self.due.front().is_some_and(|(due, _)| *due <= now)
    }

    /// The estimated bytes of everything.
    pub(crate) fn bytes(&self) -> usize {
        self.trace_bytes + self.counts.halves.bytes() + self.counts.bytes() + self.names.bytes()
    }

    /// Merges and drops old counts, by their age and by the memory that they need.
    fn age(&mut self) {
        let now = self.counts.now;
        let down = |second: u32| second - second % MINUTE;
        let Ages { by_second, kept } = self.counts.ages;
        self.counts.age(Ages {
            by_second: by_second.max(now.saturating_sub(BY_SECOND)),
            kept: kept.max(down(now.saturating_sub(KEPT))),
        });
        self.relieve();
        if self.names.is_full() && now > self.names_retained + MINUTE {
            self.names_retained = now;
            let published = self.counts.published.values().map(|published| published.service);
            let traces = self.traces.values().flat_map(|trace| trace.names());
            self.names.retain(self.counts.edges.names().chain(traces).chain(published));
        }
    }

    /// Merges and drops the oldest counts while they need too much memory.
    fn relieve(&mut self) {
        while self.counts.bytes() > self.max_count_bytes {
            let Ages { by_second, kept } = self.counts.ages;
            let now = self.counts.now;
            let ages = if by_second < now {
                Ages { by_second: (by_second + RELIEF).min(now), kept }
            } else if kept + MINUTE <= by_second {
                Ages { by_second, kept: kept + MINUTE }
            } else {
                return;
            };
            self.counts.age(ages);
        }
    }

    /// Forgets the trace that grew longest ago. Traces that grew since they were queued move to their new position.
    fn forget_quietest(&mut self) {
        while let Some((second, id)) = self.order.pop_front() {
            match self.traces.get(&id) {
                Some(trace) if trace.last != second => self.order.push_back((trace.last, id)),
                Some(_) => {
                    let Some(mut trace) = self.traces.remove(&id) else { return };
                    trace.settle(&mut ForTrace { id, store: &mut self.counts });
                    self.trace_bytes -= trace.bytes() + TRACE;
                    self.counts.remember(id, &trace);
                    return;
                }
                None => {}
            }
        }
    }
}

impl Store {
    fn total(&mut self, change: impl FnOnce(&mut Totals)) {
        self.totals.change(self.now, self.ages, change);
    }

    fn age(&mut self, ages: Ages) {
        self.ages = ages;
        self.edges.age(ages, self.now);
        self.totals.age(ages);
    }

    fn bytes(&self) -> usize {
        self.edges.bytes() + self.totals.bytes() + self.published.len() * PUBLISHED
    }

    /// Keeps the halves of calls and messages whose other half may still arrive; the oldest are forgotten when there are
    /// too many. Messages wait in a queue for longer than spans are on their way.
    fn remember(&mut self, id: TraceId, trace: &Trace) {
        for (starter, half) in trace.halves() {
            self.halves.add(id, starter, half, self.now);
        }
        for (span, published) in trace.unconsumed() {
            if self.published.insert((id, span), published).is_none() {
                self.published_order.push_back((id, span));
            }
            if self.published_order.len() > MAX_PUBLISHED
                && let Some(oldest) = self.published_order.pop_front()
            {
                self.published.remove(&oldest);
            }
        }
    }
}

impl Counts for ForTrace<'_> {
    fn replace(&mut self, before: Option<Counted>, now: Option<(Ends, Call)>) -> Option<Counted> {
        let store = &mut *self.store;
        // A change counts in the second of the first arrival.
        let second = before.map_or(store.now, |before| before.second);
        let is_unknown = |ends: &Ends| [ends.caller, ends.callee].contains(&NameId::UNKNOWN);
        let counted = now.and_then(|(ends, call)| {
            let edge = if is_unknown(&ends) { None } else { store.edges.id(ends, second) };
            edge.map(|edge| Counted { edge, second, call })
        });
        if counted != before {
            if let Some(Counted { edge, second, call }) = before {
                store.edges.remove(edge, second, &call, store.ages);
            }
            if let Some(Counted { edge, second, call }) = counted {
                store.edges.add(edge, second, &call, store.ages);
            }
        }
        counted
    }

    fn uncounted(&mut self) {
        self.store.total(|totals| totals.uncounted = totals.uncounted.saturating_add(1));
    }

    fn published(&self, span: u64) -> Option<Published> {
        self.store.published.get(&(self.id, span)).copied()
    }

    fn is_called(&self, client: u64) -> bool {
        self.store.halves.is_called(self.id, client)
    }

    fn take_served(&mut self, client: u64) -> Option<Counted> {
        self.store.halves.take_received(self.id, client, false).map(|server| server.counted)
    }

    fn consumed(&mut self, producer: u64, published: Published) -> bool {
        let Some(received) = self.store.halves.take_received(self.id, producer, true) else { return false };
        if let Some(Ends { callee, kind, .. }) = self.store.edges.ends(received.counted.edge) {
            let ends = Ends { caller: published.service, callee, kind };
            let call = Call { wait: published.wait(received.start), ..received.counted.call };
            self.replace(Some(received.counted), Some((ends, call)));
        }
        true
    }
}

#[cfg(test)]
mod tests;
