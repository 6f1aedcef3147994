//! The newest traces, in a bounded number of bytes.
//!
//! A span is kept as the bytes of its protobuf and read when somebody asks for it; the bytes of a trace's spans are one
//! allocation. Memory is estimated from these, including index entries. When it is full, whole traces are evicted: never the
//! newest half, and of the others failed and slow ones last (see `keep`). A trace that exceeds its share loses its further
//! spans, so that it cannot evict the others.

mod by_time;
mod format;
mod keep;
mod places;
mod repeats;
mod search;
mod services;
mod texts;
mod trace;

use std::{
    collections::{BTreeMap, HashMap},
    hash::BuildHasher,
};

use by_time::ByTime;
use foldhash::quality::{RandomState, SeedableRandomState};
pub use format::Format;
use format::Reader;
use keep::Keep;
use octet_zipkin::{Batch, Span, TraceId, packed::Summary, read::Entry};
use places::Places;
use repeats::Repeats;
pub use search::{CountLinks, Find, ListTags, Search, Window, Work};
use texts::Texts;
use trace::{Size, Trace};

use crate::mesh::Mesh;
pub use crate::mesh::{MeasureEdges, Measured};

/// The bytes that are kept for packing the next span.
const MAX_SCRATCH: usize = 64 * 1024;

/// The memory limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    all: usize,
    one_trace: usize,
    mesh: usize,
}

impl Memory {
    /// The maximum of one trace, however much memory there is.
    const MAX_TRACE: usize = 8 * 1024 * 1024;

    /// The maximum of the counts of the mesh.
    const MAX_MESH: usize = 16 * 1024 * 1024;

    /// `all` bytes, of which one trace can use an eighth, and at most 8 MiB; and the counts of the mesh a quarter, and at
    /// most 16 MiB.
    pub fn of(all: usize) -> Self {
        Self { all, one_trace: (all / 8).min(Self::MAX_TRACE), mesh: (all / 4).min(Self::MAX_MESH) }
    }
}

/// The outcomes of a report's well-formed spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Spans that were stored.
    pub stored: u64,
    /// Spans that were already stored.
    pub duplicate: u64,
    /// Spans whose traces had no room.
    pub dropped: u64,
}

/// A report that is being stored.
#[derive(Debug)]
pub struct Report<'a> {
    bytes: &'a [u8],
    reader: Reader<'a>,
    /// Its hash, and whether it was received before; once its first span is read.
    identity: Option<(u64, bool)>,
    /// The outcomes so far.
    pub kept: Kept,
    /// The errors so far, without spans.
    pub errors: Batch,
}

impl<'a> Report<'a> {
    /// A report of which nothing is stored yet.
    pub fn new(format: Format, bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            reader: Reader::new(format, bytes),
            identity: None,
            kept: Kept::default(),
            errors: Batch::default(),
        }
    }
}

/// The outcome of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It was stored.
    Stored,
    /// It was already stored.
    Duplicate,
    /// Its trace has no room.
    Dropped,
}

/// How full the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Stored spans.
    pub spans: usize,
    /// Stored traces.
    pub traces: usize,
    /// Their estimated bytes.
    pub bytes: usize,
    /// The estimated bytes of the counts of edges.
    pub count_bytes: usize,
    /// Traces evicted since the start.
    pub evicted: u64,
}

/// Traces, and the indexes over them.
#[derive(Debug)]
pub struct Store {
    memory: Memory,
    /// Boxed, so that the map is small, and without an order: a report looks up as many traces as it has spans.
    traces: HashMap<TraceId, Box<Trace>, RandomState>,
    /// The newest traces by the number of an arrival, the longest inactive first. A trace that grew keeps its old number
    /// here until it comes first.
    by_arrival: BTreeMap<u64, TraceId>,
    /// The others.
    keep: Keep,
    /// The spans of the newest traces.
    newest_spans: usize,
    by_time: ByTime,
    places: Places,
    /// Texts of reports in formats that are read into structures first.
    texts: Texts,
    /// A span of such a report, as bytes.
    scratch: Vec<u8>,
    mesh: Mesh,
    repeats: Repeats,
    hasher: SeedableRandomState,
    arrivals: u64,
    spans: usize,
    span_bytes: usize,
    evicted: u64,
}

impl Store {
    /// An empty store that uses at most `memory`.
    pub fn new(memory: Memory) -> Self {
        Self {
            memory,
            traces: HashMap::default(),
            by_arrival: BTreeMap::new(),
            keep: Keep::default(),
            newest_spans: 0,
            by_time: ByTime::default(),
            places: Places::default(),
            texts: Texts::default(),
            scratch: Vec::new(),
            mesh: Mesh::new(memory.mesh),
            repeats: Repeats::default(),
            hasher: SeedableRandomState::random(),
            arrivals: 0,
            spans: 0,
            span_bytes: 0,
            evicted: 0,
        }
    }

    /// Parses a whole report in Zipkin's JSON and stores its spans, evicting old traces for them. Returns a batch of the
    /// errors.
    pub fn keep(&mut self, report: &[u8]) -> (Kept, Batch) {
        self.keep_as(Format::Zipkin, report)
    }

    /// As [`keep`](Self::keep), in any format.
    pub fn keep_as(&mut self, format: Format, report: &[u8]) -> (Kept, Batch) {
        let mut report = Report::new(format, report);
        while self.keep_next(&mut report) {}
        (report.kept, report.errors)
    }

    /// Parses the next span of a report and stores it; false when none is left.
    pub fn keep_next(&mut self, report: &mut Report<'_>) -> bool {
        let (hash, is_repeated) = *report.identity.get_or_insert_with(|| {
            let hash = self.hasher.hash_one(report.bytes);
            (hash, self.repeats.contains(hash))
        });
        let mut scratch = std::mem::take(&mut self.scratch);
        let entry = report.reader.next_packed(&mut self.texts, &mut scratch);
        let is_last = entry.is_none();
        match entry {
            Some(Entry::Span(span)) => {
                if !is_repeated {
                    self.mesh.add(&span);
                }
                match self.insert(&span) {
                    Outcome::Stored => report.kept.stored += 1,
                    Outcome::Duplicate => report.kept.duplicate += 1,
                    Outcome::Dropped => report.kept.dropped += 1,
                }
            }
            Some(Entry::Malformed(malformed)) => report.errors.add_malformed(malformed),
            Some(Entry::Broken(broken)) => report.errors.broken = Some(broken),
            Some(Entry::Nothing) => {}
            None => self.repeats.add(hash),
        }
        self.scratch = scratch;
        if self.scratch.capacity() > MAX_SCRATCH {
            self.scratch = Vec::new();
        }
        !is_last
    }

    fn insert(&mut self, span: &Summary<'_>) -> Outcome {
        let id = span.trace_id;
        let hash = self.hasher.hash_one(span.bytes);
        let hash = u32::try_from(hash >> 32).unwrap_or_default();
        let room = self.memory.one_trace;
        let trace = self.traces.entry(id).or_default();
        if trace.holds(span.bytes, hash) {
            return Outcome::Duplicate;
        }
        let size = Size::of(span);
        if !trace.has_room(&size, room) {
            // Removes the empty trace of a span that exceeds a trace's share.
            if trace.is_empty() {
                self.traces.remove(&id);
            }
            return Outcome::Dropped;
        }
        let place = self.places.add(span, &self.hasher);
        if span.parent_id.is_none() && span.duration > 0 && trace.slowness.is_none() {
            let root = self.hasher.hash_one((&span.service, &span.name));
            trace.slowness = Some((root, span.duration));
            self.keep.add_root(root, span.duration);
        }

        self.span_bytes -= trace.bytes();
        self.arrivals += 1;
        if trace.arrival == 0 {
            self.by_arrival.insert(self.arrivals, id);
            trace.created = self.arrivals;
        }
        trace.arrival = self.arrivals;
        trace.add(span, &size, hash, place);
        self.spans += 1;
        self.newest_spans += 1;
        if let Some(rank) = trace.rank.take() {
            // It is one of the newest again.
            self.keep.remove(rank, id);
            self.by_arrival.insert(self.arrivals, id);
            self.newest_spans += trace.len() - 1;
        }
        self.span_bytes += trace.bytes();
        self.by_time.note(id, trace);
        if self.by_time.is_littered(self.traces.len()) {
            self.index_next();
        }
        while self.bytes() + self.mesh.bytes() > self.memory.all && self.traces.len() > 1 {
            self.evict_one();
        }
        Outcome::Stored
    }

    /// Moves to a second, counted from the start. Returns whether more is left to do for it.
    pub(crate) fn advance(&mut self, second: u32) -> bool {
        self.keep.advance(second);
        self.mesh.advance(second)
    }

    /// Counts spans that a reporter had to drop.
    pub(crate) fn add_dropped(&mut self, spans: u64) {
        self.mesh.add_dropped(spans);
    }

    pub(crate) fn mesh(&self) -> &Mesh {
        &self.mesh
    }

    /// Its current usage.
    pub fn usage(&self) -> Usage {
        Usage {
            spans: self.spans,
            traces: self.traces.len(),
            bytes: self.bytes(),
            count_bytes: self.mesh.bytes(),
            evicted: self.evicted,
        }
    }

    /// The spans of a trace, in the order of their arrival; empty when it is unknown.
    ///
    /// An id of 64 bits also finds the newest trace with this low half: a tracer that keeps only 64 bits of an id logs
    /// those.
    pub fn trace(&self, id: TraceId) -> Vec<Span> {
        let found = self.find(id).and_then(|id| self.traces.get(&id));
        found.map(|trace| trace.spans().collect()).unwrap_or_default()
    }

    /// The whole id of the trace that [`trace`](Self::trace) returns.
    pub fn find(&self, id: TraceId) -> Option<TraceId> {
        self.find_all(&[id]).pop()
    }

    /// The whole ids of those that are stored, in order. Looks through all traces once for ids of 64 bits.
    pub fn find_all(&self, ids: &[TraceId]) -> Vec<TraceId> {
        let is_short = |id: &&TraceId| id.is_short() && !self.traces.contains_key(id);
        let mut newest: HashMap<u64, Option<(u64, TraceId)>> =
            ids.iter().filter(is_short).map(|id| (id.low(), None)).collect();
        if !newest.is_empty() {
            for (id, trace) in &self.traces {
                if let Some(newest) = newest.get_mut(&id.low()) {
                    *newest = (*newest).max(Some((trace.arrival, *id)));
                }
            }
        }
        let whole = |id: &TraceId| match newest.get(&id.low()) {
            Some(newest) if id.is_short() => newest.map(|(_, id)| id),
            _ => self.traces.contains_key(id).then_some(*id),
        };
        ids.iter().filter_map(whole).collect()
    }

    /// All stored spans.
    pub fn spans(&self) -> impl Iterator<Item = Span> {
        self.traces.values().flat_map(|trace| trace.spans())
    }

    /// The estimated size of a trace as JSON, in bytes.
    pub fn json_bytes(&self, id: TraceId) -> usize {
        self.traces.get(&id).map(|trace| trace.json_bytes()).unwrap_or_default()
    }

    /// The number of stored traces that start in a period.
    pub fn count(&mut self, window: Window) -> usize {
        while self.index_next() {}
        window.range().map_or(0, |range| self.by_time.ordered.range(range).count())
    }

    /// A trace's version, which changes when the trace is evicted and stored again; otherwise spans are only appended.
    pub fn version(&self, id: TraceId) -> Option<u64> {
        self.traces.get(&id).map(|trace| trace.created)
    }

    /// The span of a trace at a position, from zero, and the position of the next one; `None` after the last.
    pub fn span_at(&self, id: TraceId, position: usize) -> Option<(Span, usize)> {
        self.traces.get(&id)?.span_at(position)
    }

    fn bytes(&self) -> usize {
        self.span_bytes + self.places.bytes()
    }

    /// Evicts the trace that is worth least.
    fn evict_one(&mut self) {
        // Twice for each eviction, so that the others grow to half of all.
        for _ in 0..2 {
            if self.newest_spans * 2 > self.spans && self.by_arrival.len() > 1 {
                self.rank_quietest();
            }
        }
        let Some(id) = self.keep.pop_lowest().or_else(|| self.pop_quietest()) else { return };
        let Some(trace) = self.traces.remove(&id) else { return };
        if trace.rank.is_none() {
            self.newest_spans -= trace.len();
        }
        self.by_time.remove(id, &trace);
        self.span_bytes -= trace.bytes();
        self.spans -= trace.len();
        self.evicted += 1;
        for place in trace.places() {
            self.places.remove(place);
        }
    }

    /// Moves the longest inactive of the newest traces to the others.
    fn rank_quietest(&mut self) {
        let Some(id) = self.pop_quietest() else { return };
        let Some(trace) = self.traces.get_mut(&id) else { return };
        let is_slow = trace.slowness.is_some_and(|(root, duration)| self.keep.is_slow(root, duration));
        let rank = self.keep.rank(self.hasher.hash_one(id), trace.is_failed, is_slow);
        trace.rank = Some(rank);
        self.newest_spans -= trace.len();
        self.keep.add(rank, id);
    }

    /// The newest trace whose last span is oldest. Traces that grew are moved to their new position on the way.
    fn pop_quietest(&mut self) -> Option<TraceId> {
        loop {
            let (arrival, id) = self.by_arrival.pop_first()?;
            match self.traces.get(&id).map(|trace| trace.arrival) {
                Some(last) if last != arrival => self.by_arrival.insert(last, id),
                _ => return Some(id),
            };
        }
    }
}

#[cfg(test)]
mod tests;
