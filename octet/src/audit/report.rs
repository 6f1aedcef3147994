//! The results of an audit.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use octet_backends::inspect::{DeadLetter, QueueDepth, Sight};
use serde_json::{Value, json};

/// The results of an audit.
#[derive(Debug)]
pub struct Report {
    /// Every service with a store, in declared order.
    pub stores: Vec<Store>,
    /// Every queue that a service publishes to.
    pub queues: Vec<Queue>,
    /// The results for the answers, if any were checked.
    pub answered: Option<Answered>,
    /// The value of `--wait`.
    pub waited: Option<Duration>,
}

/// The documents of one service.
#[derive(Debug)]
pub struct Store {
    /// The service.
    pub service: String,
    /// Its store.
    pub store: octet_topology::Store,
    /// Their number; `Err` with the name of what does not exist yet.
    pub documents: Result<u64, String>,
}

/// One queue.
#[derive(Debug)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Whether a service consumes it.
    pub is_consumed: bool,
    /// Its counts; `Err` with the name of what does not exist yet.
    pub depth: Result<QueueDepth, String>,
    /// Which of its messages could be inspected: unless all, the leased and redelivered counts are unknown.
    pub sight: Sight,
    /// The newest dead letters, newest first.
    pub newest_dead_letters: Vec<DeadLetter>,
}

/// The results for the answers. The maps count by the service that should have stored what is missing.
#[derive(Debug, Default)]
pub struct Answered {
    /// Answers read.
    pub answers: u64,
    /// Greetings in them.
    pub greetings: u64,
    /// Claims: documents and messages that must exist.
    pub checked: u64,
    /// The documents that the claims are about, each counted once.
    pub documents: BTreeMap<String, u64>,
    /// Claims not found.
    pub missing: BTreeMap<String, u64>,
    /// Claims on messages that are still queued; a gap only after a wait.
    pub queued: BTreeMap<String, u64>,
    /// Claims on messages that were dead-lettered.
    pub dead_lettered: BTreeMap<String, u64>,
    /// Claims whose document differs from the answer.
    pub altered: BTreeMap<String, u64>,
    /// Ids that an earlier answer has too.
    pub duplicates: u64,
    /// Answers that a platform of this topology cannot have returned.
    pub invalid: u64,
}

/// The conclusion of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No data is lost.
    Complete,
    /// Data is lost, late or invalid.
    Gap,
    /// There was nothing to check: no answer claims anything, or no store and no queue exists yet.
    Nothing,
}

impl Report {
    /// With answers, only their claims count: an old dead letter is not a gap of theirs. Without answers, every dead letter
    /// is a gap, and so is every message that is still queued after the wait.
    pub fn verdict(&self) -> Verdict {
        let late = |queued: u64| self.waited.is_some() && queued > 0;
        let gap = match &self.answered {
            Some(answered) => {
                answered.invalid + answered.duplicates > 0
                    || [&answered.missing, &answered.dead_lettered, &answered.altered]
                        .iter()
                        .any(|gaps| !gaps.is_empty())
                    || late(sum(&answered.queued))
            }
            None => self.queues.iter().any(|queue| queue.dead_lettered() > 0 || late(queue.queued())),
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

    /// Documents that no answer claims, by the service that stored them: what was done twice, or for a request without an
    /// answer here. Only of services whose documents the answers claim, and that share no queue.
    pub fn surplus(&self) -> BTreeMap<&str, u64> {
        let Some(answered) = &self.answered else { return BTreeMap::new() };
        let surplus = |store: &Store| {
            let claimed = answered.documents.get(&store.service)?;
            let absent = [&answered.missing, &answered.queued, &answered.dead_lettered];
            let absent: u64 = absent.iter().filter_map(|counts| counts.get(&store.service)).sum();
            Some(store.documents.as_ref().ok()?.saturating_sub(claimed.saturating_sub(absent)))
        };
        let all =
            self.stores.iter().map(|store| (store.service.as_str(), surplus(store).unwrap_or_default()));
        all.filter(|(_, surplus)| *surplus > 0).collect()
    }

    /// The report as JSON.
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
                "queued": sum(&answered.queued),
                "deadLettered": sum(&answered.dead_lettered),
                "altered": sum(&answered.altered),
                "duplicates": answered.duplicates,
                "invalid": answered.invalid,
                "surplus": self.surplus(),
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
    /// Messages that no consumer has stored yet.
    pub(super) fn queued(&self) -> u64 {
        let depth = self.depth.as_ref().ok().filter(|_| self.is_consumed);
        depth.map_or(0, |depth| depth.ready.saturating_add(depth.leased))
    }

    /// `count`, if every message of the queue could be inspected.
    pub(super) fn known(&self, count: u64) -> Option<u64> {
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
            "leased": self.known(depth.leased),
            "deadLettered": depth.dead_lettered,
            "redelivered": self.known(depth.redelivered),
            "newestDeadLetters": letters.collect::<Vec<_>>(),
        })
    }
}

pub(super) fn sum(counts: &BTreeMap<String, u64>) -> u64 {
    counts.values().sum()
}

/// Formatting a time after the year 9999 would panic, and this one comes from a store.
pub(super) fn rfc3339(at: SystemTime) -> String {
    const YEAR_10000: Duration = Duration::from_hours(70_389_528);
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) if since < YEAR_10000 => humantime::format_rfc3339_seconds(at).to_string(),
        _ => "at an unknown time".to_owned(),
    }
}
