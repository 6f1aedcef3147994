//! What an audit has found.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use octet_backends::inspect::{DeadLetter, QueueDepth, Sight};
use serde_json::{Value, json};

/// Everything an audit says at its end.
#[derive(Debug)]
pub struct Report {
    /// Every storing service, in declared order.
    pub stores: Vec<Store>,
    /// Every queue that somebody publishes to.
    pub queues: Vec<Queue>,
    /// What came of the answers, if there were any to check.
    pub answered: Option<Answered>,
    /// How long the audit would wait.
    pub waited: Option<Duration>,
}

/// One service's documents.
#[derive(Debug)]
pub struct Store {
    /// Whose they are.
    pub service: String,
    /// Where they are.
    pub store: octet_topology::Store,
    /// How many; `Err` says what does not exist yet.
    pub documents: Result<u64, String>,
}

/// One queue.
#[derive(Debug)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Whether any service stores its messages.
    pub is_consumed: bool,
    /// Its counts; `Err` says what does not exist yet.
    pub depth: Result<QueueDepth, String>,
    /// How much of it could be seen: with less than everything, how many are leased and were redelivered is not
    /// known.
    pub sight: Sight,
    /// Newest first, a few.
    pub newest_dead_letters: Vec<DeadLetter>,
}

/// What came of the answers. The maps count by the service that should have what is missing.
#[derive(Debug, Default)]
pub struct Answered {
    /// Answers read.
    pub answers: u64,
    /// Greetings in them.
    pub greetings: u64,
    /// Claims checked: documents and messages that must exist.
    pub checked: u64,
    /// Of these, nowhere.
    pub missing: BTreeMap<String, u64>,
    /// On their queue; a gap only after a wait.
    pub on_their_way: BTreeMap<String, u64>,
    /// Given up by their queue.
    pub dead_lettered: BTreeMap<String, u64>,
    /// Answers that no platform of the topology can have given.
    pub wrong: u64,
}

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is lost.
    Complete,
    /// Something is.
    Gap,
    /// There was nothing to look at: no answer claims anything, or nothing exists yet. It shows that nothing is lost no
    /// more than that something is.
    Nothing,
}

impl Report {
    /// With answers, it is theirs alone: an old dead letter is no gap of theirs. Without, every message that was
    /// given up is a gap, and so is one that is still queued after the wait.
    pub fn verdict(&self) -> Verdict {
        let late = |on_their_way: u64| self.waited.is_some() && on_their_way > 0;
        let gap = match &self.answered {
            Some(answered) => {
                answered.wrong > 0
                    || !answered.missing.is_empty()
                    || !answered.dead_lettered.is_empty()
                    || late(sum(&answered.on_their_way))
            }
            None => self.queues.iter().any(|queue| queue.dead_lettered() > 0 || late(queue.on_their_way())),
        };
        let nothing = match &self.answered {
            Some(answered) => answered.checked == 0,
            None => {
                self.stores.iter().all(|store| store.documents.is_err())
                    && self.queues.iter().all(|queue| queue.depth.is_err())
            }
        };
        match (gap, nothing) {
            (true, _) => Verdict::Gap,
            (false, true) => Verdict::Nothing,
            (false, false) => Verdict::Complete,
        }
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let stores = self.stores.iter().map(|Store { service, store, documents }| {
            json!({
                "service": service,
                "database": store.database.as_str(),
                "collection": store.collection.as_str(),
                "documents": documents.as_ref().unwrap_or(&0),
            })
        });
        let answered = self.answered.as_ref().map(|answered| {
            json!({
                "answers": answered.answers,
                "greetings": answered.greetings,
                "checked": answered.checked,
                "missing": sum(&answered.missing),
                "onTheirWay": sum(&answered.on_their_way),
                "deadLettered": sum(&answered.dead_lettered),
                "wrong": answered.wrong,
            })
        });
        json!({
            "stores": stores.collect::<Vec<_>>(),
            "queues": self.queues.iter().map(Queue::to_json).collect::<Vec<_>>(),
            "answered": answered,
            "verdict": match self.verdict() {
                Verdict::Complete => "complete",
                Verdict::Gap => "gap",
                Verdict::Nothing => "nothing",
            },
        })
    }
}

impl Queue {
    /// Messages that a consumer has not stored yet.
    pub(super) fn on_their_way(&self) -> u64 {
        let depth = self.depth.as_ref().ok().filter(|_| self.is_consumed);
        depth.map_or(0, |depth| depth.ready.saturating_add(depth.leased))
    }

    /// What only a broker that shows everything tells.
    pub(super) fn seen(&self, count: u64) -> Option<u64> {
        (self.sight == Sight::Everything).then_some(count)
    }

    pub(super) fn dead_lettered(&self) -> u64 {
        self.depth.as_ref().map_or(0, |depth| depth.dead_lettered)
    }

    pub(super) fn to_json(&self) -> Value {
        let depth = self.depth.as_ref().copied().unwrap_or_default();
        let letters = self.newest_dead_letters.iter().map(|DeadLetter { id, reason, attempts, at }| {
            json!({ "id": id, "reason": reason, "attempts": attempts, "at": at.map(rfc3339) })
        });
        json!({
            "queue": self.name,
            "ready": depth.ready,
            "leased": self.seen(depth.leased),
            "deadLettered": depth.dead_lettered,
            "redelivered": self.seen(depth.redelivered),
            "newestDeadLetters": letters.collect::<Vec<_>>(),
        })
    }
}

pub(super) fn sum(counts: &BTreeMap<String, u64>) -> u64 {
    counts.values().sum()
}

/// Printing a moment after the year 9999 would panic, and the moment is out of a file.
pub(super) fn rfc3339(at: SystemTime) -> String {
    const YEAR_10000: Duration = Duration::from_hours(70_389_528);
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) if since < YEAR_10000 => humantime::format_rfc3339_seconds(at).to_string(),
        _ => "at an unknown time".to_owned(),
    }
}
