//! What happened when: every fault and action that took place, to the millisecond.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use octet_fault::duration_text;
use serde::Serialize;

use super::live::{Live, shown};

/// The kinds of entries.
pub(crate) const FAULT: &str = "fault";
pub(crate) const ACTION: &str = "action";

/// One fault or action.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// [`FAULT`] or [`ACTION`].
    pub(crate) kind: &'static str,
    pub(crate) what: String,
    /// Whether somebody has to find it: it is in the reports, and not on the terminal.
    pub(crate) blind: bool,
    /// Milliseconds after the start of the load.
    pub(crate) from_ms: u64,
    /// `None` while it lasts.
    pub(crate) until_ms: Option<u64>,
    /// How often a fault acted, as its processes count it; `None` where nobody reports it.
    pub(crate) acted: Option<u64>,
    /// What did not work.
    pub(crate) problems: Vec<String>,
}

/// The entries of a run, in the order of their starts.
#[derive(Clone)]
pub(crate) struct Ledger {
    start: Instant,
    live: Live,
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl Ledger {
    pub(crate) fn new(start: Instant, live: Live) -> Self {
        Self { start, live, entries: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        millis(self.start.elapsed())
    }

    /// Notes a start, and returns the number of the entry.
    pub(crate) fn begin(&self, kind: &'static str, what: String, blind: bool) -> usize {
        let from_ms = self.now();
        self.live.line(format!("  {:>9}  {kind}: {}", clock(from_ms), shown(&what, blind)));
        let mut entries = self.lock();
        entries.push(Entry { kind, what, blind, from_ms, until_ms: None, acted: None, problems: Vec::new() });
        self.live.ledger(&entries);
        entries.len() - 1
    }

    /// Notes the end of an entry; only the first counts.
    pub(crate) fn end(&self, index: usize) {
        let now = self.now();
        let mut entries = self.lock();
        if let Some(entry) = entries.get_mut(index).filter(|entry| entry.until_ms.is_none()) {
            entry.until_ms = Some(now);
            self.live.line(format!("  {:>9}  ended: {}", clock(now), shown(&entry.what, entry.blind)));
            self.live.ledger(&entries);
        }
    }

    /// Adds to how often a fault acted.
    pub(crate) fn count(&self, index: usize, acted: u64) {
        if let Some(entry) = self.lock().get_mut(index) {
            *entry.acted.get_or_insert_default() += acted;
        }
    }

    pub(crate) fn problem(&self, index: usize, problem: String) {
        if let Some(entry) = self.lock().get_mut(index) {
            entry.problems.push(problem);
        }
    }

    /// All entries; those that still last end at `end`.
    pub(crate) fn entries(&self, end: Duration) -> Vec<Entry> {
        let mut entries = self.lock().clone();
        for entry in &mut entries {
            entry.until_ms.get_or_insert(millis(end).max(entry.from_ms));
        }
        entries
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A time after the start, for people.
pub(crate) fn clock(millis: u64) -> String {
    if millis == 0 { "0s".to_owned() } else { duration_text(Duration::from_millis(millis)) }
}
