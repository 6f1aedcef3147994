//! The newest traces, in a bounded number of bytes.
//!
//! Memory is counted by what the parts of a span take, their allocations and their places in indexes included; equal
//! texts are kept, and counted, once. When it is used up, the traces that have been quiet for longest go, each as a
//! whole. A trace that grows beyond its share loses its further spans, so that no single one drives out the rest.

mod search;
mod services;
mod texts;
mod trace;

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::BuildHasher,
};

use foldhash::quality::RandomState;
use octet_zipkin::{Batch, Span, Text, TraceId, read::Intern};
pub use search::{Search, Window};
use services::Services;
use texts::Texts;
use trace::Trace;

/// How much may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    all: usize,
    one_trace: usize,
}

impl Memory {
    /// The most that one trace may take, whatever there is.
    const LARGEST_TRACE: usize = 8 * 1024 * 1024;

    /// `all` bytes, of which one trace may take an eighth, and 8 MiB at most.
    pub fn of(all: usize) -> Self {
        Self { all, one_trace: (all / 8).min(Self::LARGEST_TRACE) }
    }
}

/// What became of a report's well-formed spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Spans that are kept.
    pub stored: u64,
    /// Spans that were there already.
    pub duplicate: u64,
    /// Spans whose traces had no room for them.
    pub dropped: u64,
}

/// What became of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It is kept.
    Stored,
    /// It was there already.
    Duplicate,
    /// Its trace has no room for it.
    Dropped,
}

/// How full the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Spans that are kept.
    pub spans: usize,
    /// Traces that are kept.
    pub traces: usize,
    /// Bytes they take, by estimate.
    pub bytes: usize,
    /// Traces that had to go, since the start.
    pub evicted: u64,
}

/// Traces, and the indexes over them.
#[derive(Debug)]
pub struct Store {
    memory: Memory,
    /// Boxed, so that the map's nodes are small: a report looks up as many traces as it has spans.
    traces: BTreeMap<TraceId, Box<Trace>>,
    /// By the number of an arrival, which for the first of them is the last one: it is the one to go. A trace that
    /// grew meanwhile stands where it stood until it is its turn.
    by_arrival: BTreeMap<u64, TraceId>,
    /// By timestamp; a trace without one is not here, and found by its id alone.
    by_time: BTreeSet<(u64, TraceId)>,
    services: Services,
    texts: Texts,
    hasher: RandomState,
    arrivals: u64,
    spans: usize,
    span_bytes: usize,
    evicted: u64,
}

impl Store {
    /// Keeps as much as `memory` says.
    pub fn new(memory: Memory) -> Self {
        Self {
            memory,
            traces: BTreeMap::new(),
            by_arrival: BTreeMap::new(),
            by_time: BTreeSet::new(),
            services: Services::default(),
            texts: Texts::default(),
            hasher: RandomState::default(),
            arrivals: 0,
            spans: 0,
            span_bytes: 0,
            evicted: 0,
        }
    }

    /// Reads a report and keeps its spans, and lets go of old traces for them. Of the batch, what was malformed is
    /// left.
    pub fn keep(&mut self, report: &[u8]) -> (Kept, Batch) {
        let mut batch = Batch::read_with(report, self);
        let mut kept = Kept::default();
        for span in batch.spans.drain(..) {
            match self.insert(span) {
                Outcome::Stored => kept.stored += 1,
                Outcome::Duplicate => kept.duplicate += 1,
                Outcome::Dropped => kept.dropped += 1,
            }
        }
        (kept, batch)
    }

    /// Keeps a span whose texts were [interned](Intern::intern) here.
    fn insert(&mut self, mut span: Span) -> Outcome {
        let id = span.trace_id;
        let print = self.hasher.hash_one(&span);
        let room = self.memory.one_trace;
        let trace = self.traces.entry(id).or_default();
        if trace.holds(print) {
            self.release(&mut span);
            return Outcome::Duplicate;
        }
        if !trace.has_room(&span, room) {
            // A span larger than a trace's share leaves no empty trace behind.
            if trace.spans().is_empty() {
                self.traces.remove(&id);
            }
            self.release(&mut span);
            return Outcome::Dropped;
        }
        self.services.add(&span);

        let began = trace.timestamp();
        self.span_bytes -= trace.bytes();
        self.arrivals += 1;
        if trace.arrival == 0 {
            self.by_arrival.insert(self.arrivals, id);
        }
        trace.arrival = self.arrivals;
        trace.add(span, print);
        self.spans += 1;
        self.span_bytes += trace.bytes();
        if trace.timestamp() != began {
            self.by_time.remove(&(began, id));
            self.by_time.insert((trace.timestamp(), id));
        }

        while self.bytes() > self.memory.all && self.traces.len() > 1 {
            self.evict_oldest();
        }
        Outcome::Stored
    }

    /// How full it is.
    pub fn usage(&self) -> Usage {
        Usage { spans: self.spans, traces: self.traces.len(), bytes: self.bytes(), evicted: self.evicted }
    }

    /// The spans of a trace, in the order of their arrival; empty when there is none.
    ///
    /// An id of 64 bits also finds the newest trace whose low half it is: a tracer that keeps 64 bits of a trace
    /// begun with 128 writes that into its log.
    pub fn trace(&self, id: TraceId) -> &[Span] {
        let exact = self.traces.get(&id);
        let found = exact.or_else(|| {
            let low = id.is_short().then(|| id.low())?;
            let same = self.traces.range(TraceId::first_of(low)..=TraceId::last_of(low));
            same.map(|(_, trace)| trace).max_by_key(|trace| trace.arrival)
        });
        found.map(|trace| trace.spans()).unwrap_or_default()
    }

    fn bytes(&self) -> usize {
        self.span_bytes + self.texts.bytes() + self.services.bytes()
    }

    fn evict_oldest(&mut self) {
        let Some(id) = self.pop_quietest() else { return };
        let Some(trace) = self.traces.remove(&id) else { return };
        self.by_time.remove(&(trace.timestamp(), id));
        self.span_bytes -= trace.bytes();
        self.spans -= trace.spans().len();
        self.evicted += 1;
        for mut span in trace.into_spans() {
            self.services.remove(&span);
            self.release(&mut span);
        }
    }

    /// The trace that has been quiet for longest. Those that grew since they were put down are put where they belong.
    fn pop_quietest(&mut self) -> Option<TraceId> {
        loop {
            let (arrival, id) = self.by_arrival.pop_first()?;
            match self.traces.get(&id).map(|trace| trace.arrival) {
                Some(last) if last != arrival => self.by_arrival.insert(last, id),
                _ => return Some(id),
            };
        }
    }

    fn release(&mut self, span: &mut Span) {
        for text in span.texts_mut() {
            self.texts.release(text);
        }
    }
}

impl Intern for Store {
    fn intern(&mut self, text: &str) -> Text {
        self.texts.intern(text)
    }
}

#[cfg(test)]
mod tests;
