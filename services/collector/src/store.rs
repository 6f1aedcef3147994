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
    hash::{BuildHasher, RandomState},
};

use octet_zipkin::{Span, TraceId};
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

/// What became of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
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
    traces: BTreeMap<TraceId, Trace>,
    /// By the number of the last arrival: the first is the one to go.
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
            hasher: RandomState::new(),
            arrivals: 0,
            spans: 0,
            span_bytes: 0,
            evicted: 0,
        }
    }

    /// Keeps a span, and lets go of old traces for it.
    pub fn insert(&mut self, mut span: Span) -> Outcome {
        let id = span.trace_id;
        let print = self.hasher.hash_one(&span);
        let room = self.memory.one_trace;
        let trace = self.traces.entry(id).or_default();
        if trace.holds(print) {
            return Outcome::Duplicate;
        }
        if !trace.has_room(&span, room) {
            // A span larger than a trace's share leaves no empty trace behind.
            if trace.spans().is_empty() {
                self.traces.remove(&id);
            }
            return Outcome::Dropped;
        }
        for text in span.texts_mut() {
            self.texts.intern(text);
        }
        self.services.add(&span);

        self.by_time.remove(&(trace.timestamp(), id));
        self.by_arrival.remove(&trace.arrival);
        self.span_bytes -= trace.bytes();
        self.arrivals += 1;
        trace.arrival = self.arrivals;
        trace.add(span, print);
        self.spans += 1;
        self.span_bytes += trace.bytes();
        if trace.timestamp() > 0 {
            self.by_time.insert((trace.timestamp(), id));
        }
        self.by_arrival.insert(self.arrivals, id);

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
        found.map(Trace::spans).unwrap_or_default()
    }

    fn bytes(&self) -> usize {
        self.span_bytes + self.texts.bytes() + self.services.bytes()
    }

    fn evict_oldest(&mut self) {
        let Some((_, id)) = self.by_arrival.pop_first() else { return };
        let Some(trace) = self.traces.remove(&id) else { return };
        self.by_time.remove(&(trace.timestamp(), id));
        self.span_bytes -= trace.bytes();
        self.spans -= trace.spans().len();
        self.evicted += 1;
        for mut span in trace.into_spans() {
            self.services.remove(&span);
            for text in span.texts_mut() {
                self.texts.release(text);
            }
        }
    }
}

#[cfg(test)]
mod tests;
