//! What happened on one edge in one bucket of time.

use octet_zipkin::edges::MAX_CODES;

use super::{codes::CodeId, histogram::Histogram, series::Part};

/// The overhead of an allocation.
const ALLOCATION: usize = 16;

/// How a counted call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Ok,
    Cancelled,
    /// Failed by itself.
    Failed,
    /// Failed, as a call that the callee made had failed.
    Propagated,
}

/// A call or message, as an edge counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) ending: Ending,
    pub(super) code: CodeId,
    /// In microseconds; zero for unknown.
    pub(super) duration: u32,
    /// In the queue, in microseconds; for messages whose publisher is known.
    pub(super) wait: Option<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Cell {
    pub(super) count: u32,
    pub(super) errors: u32,
    pub(super) propagated: u32,
    pub(super) cancelled: u32,
    pub(super) codes: Vec<(CodeId, u32)>,
    pub(super) durations: Histogram,
    pub(super) waits: Option<Box<Histogram>>,
}

impl Cell {
    pub(super) fn add(&mut self, call: &Call) {
        self.change(call, |count| count.saturating_add(1));
        if let Some(wait) = call.wait {
            self.waits.get_or_insert_default().add(wait);
        }
        if call.duration > 0 {
            self.durations.add(call.duration);
        }
    }

    /// Takes back a call that was added.
    pub(super) fn remove(&mut self, call: &Call) {
        self.change(call, |count| count.saturating_sub(1));
        if let (Some(wait), Some(waits)) = (call.wait, &mut self.waits) {
            waits.remove(wait);
        }
        if call.duration > 0 {
            self.durations.remove(call.duration);
        }
    }

    fn change(&mut self, call: &Call, change: impl Fn(u32) -> u32) {
        self.count = change(self.count);
        match call.ending {
            Ending::Ok => return,
            Ending::Cancelled => {
                self.cancelled = change(self.cancelled);
                return;
            }
            Ending::Failed => {}
            Ending::Propagated => self.propagated = change(self.propagated),
        }
        self.errors = change(self.errors);
        if call.code != CodeId::NONE
            && let Some(count) = self.code(call.code)
        {
            *count = change(*count);
        }
    }

    /// Adds another cell without its durations.
    pub(super) fn absorb_counts(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.errors = self.errors.saturating_add(other.errors);
        self.propagated = self.propagated.saturating_add(other.propagated);
        self.cancelled = self.cancelled.saturating_add(other.cancelled);
        for (code, count) in &other.codes {
            if let Some(sum) = self.code(*code) {
                *sum = sum.saturating_add(*count);
            }
        }
    }

    /// The count of a code; `None` for further codes than an edge counts.
    fn code(&mut self, code: CodeId) -> Option<&mut u32> {
        let index = match self.codes.iter().position(|(known, _)| *known == code) {
            Some(index) => index,
            None if self.codes.len() < MAX_CODES => {
                self.codes.push((code, 0));
                self.codes.len() - 1
            }
            None => return None,
        };
        self.codes.get_mut(index).map(|(_, count)| count)
    }
}

impl Part for Cell {
    fn absorb(&mut self, other: &Self) {
        self.absorb_counts(other);
        self.durations.absorb(&other.durations);
        if let Some(waits) = &other.waits {
            self.waits.get_or_insert_default().absorb(waits);
        }
    }

    fn bytes(&self) -> usize {
        let codes = self.codes.capacity() * size_of::<(CodeId, u32)>();
        let waits = self.waits.as_ref();
        let waits = waits.map_or(0, |waits| waits.bytes() + size_of::<Histogram>() + ALLOCATION);
        codes + self.durations.bytes() + waits
    }
}
