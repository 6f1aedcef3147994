//! Halves of calls and messages whose trace was forgotten before the other half arrived.

use std::{
    collections::{HashMap, VecDeque},
    hash::BuildHasher,
};

use foldhash::quality::RandomState;
use octet_zipkin::TraceId;

use super::{FORGOTTEN, trace::Counted};

/// The bytes of a half in both collections.
const HALF: usize = 112;

/// One half, which the other half finds by the id of the span that starts the call or message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Half {
    /// A client, whose call is counted.
    Called,
    /// A server or consumer, which counted by itself.
    Received(Received),
}

/// What a server or consumer counted by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    pub(super) counted: Counted,
    /// In microseconds since 1970; zero for unknown.
    pub(super) start: u64,
    pub(super) is_message: bool,
}

/// The newest halves, at most as many as their memory has room for.
#[derive(Debug)]
pub(super) struct Halves {
    /// By a keyed hash of trace and span, which is a third of both.
    known: HashMap<u64, Half, RandomState>,
    order: VecDeque<(u32, u64)>,
    hasher: RandomState,
    max: usize,
}

impl Halves {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            known: HashMap::default(),
            order: VecDeque::new(),
            hasher: RandomState::default(),
            max: max_bytes / HALF,
        }
    }

    /// Remembers a half; of several with one starter, the first.
    pub(super) fn add(&mut self, trace: TraceId, starter: u64, half: Half, now: u32) {
        let key = self.key(trace, starter);
        if self.max == 0 || self.known.contains_key(&key) {
            return;
        }
        if self.order.len() >= self.max
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.known.insert(key, half);
        self.order.push_back((now, key));
    }

    /// Whether this client's call is counted.
    pub(super) fn is_called(&self, trace: TraceId, client: u64) -> bool {
        // Called for each server span, and mostly empty.
        !self.known.is_empty() && matches!(self.known.get(&self.key(trace, client)), Some(Half::Called))
    }

    /// Removes what a server or consumer counted by itself, now that its starter has arrived.
    pub(super) fn take_received(
        &mut self,
        trace: TraceId,
        starter: u64,
        is_message: bool,
    ) -> Option<Received> {
        if self.known.is_empty() {
            return None;
        }
        let key = self.key(trace, starter);
        match self.known.get(&key) {
            Some(Half::Received(received)) if received.is_message == is_message => {
                let received = *received;
                // Its place in the order stays, so that its memory is counted until then.
                self.known.remove(&key);
                Some(received)
            }
            _ => None,
        }
    }

    /// Forgets the oldest.
    pub(super) fn age(&mut self, now: u32) {
        while let Some((_, key)) = self.order.pop_front_if(|(added, _)| *added + FORGOTTEN <= now) {
            self.known.remove(&key);
        }
        if self.order.is_empty() {
            self.known.shrink_to_fit();
            self.order.shrink_to_fit();
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.order.len() * HALF
    }

    fn key(&self, trace: TraceId, span: u64) -> u64 {
        self.hasher.hash_one((trace, span))
    }
}
