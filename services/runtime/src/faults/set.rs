//! The faults of a process by their sources.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use octet_fault::{Draw, Fault, MAX_FAULTS, Seed};

/// How a fault came into the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A `[[fault]]` of the topology.
    Topology,
    /// `FAULTS`.
    Environment,
    /// `FAULTS_FILE`.
    File,
    /// The admin server.
    Admin,
    /// The header of one request.
    Header,
}

impl Source {
    /// Its name in metrics and lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Topology => "topology",
            Self::Environment => "environment",
            Self::File => "file",
            Self::Admin => "admin",
            Self::Header => "header",
        }
    }
}

/// The process would have more faults than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a process has at most {MAX_FAULTS} faults, from all sources")]
pub struct TooMany;

/// A fault, as it is listed.
#[derive(Debug, Clone)]
pub struct FaultState {
    /// The fault.
    pub fault: Fault,
    /// How it came into the process.
    pub source: Source,
    /// When it ends.
    pub until: Option<SystemTime>,
    /// How often it acted.
    pub acted: u64,
}

/// A fault that is set, with what it needs to act.
#[derive(Debug)]
pub(super) struct Armed {
    pub(super) fault: Fault,
    pub(super) source: Source,
    /// What its draws depend on: the same in each process and each run.
    pub(super) id: u64,
    until: Option<Instant>,
    active: AtomicU32,
    acted: AtomicU64,
}

/// All faults of a process, by source.
#[derive(Debug, Default)]
pub(super) struct Set(BTreeMap<Source, Vec<Arc<Armed>>>);

impl Set {
    /// The set with other faults of this source.
    pub(super) fn with(&self, source: Source, faults: Vec<Fault>, lasting: Option<Duration>) -> Self {
        self.of(source, Vec::new(), faults, lasting)
    }

    /// The set with these faults of a source in addition; those that it has keep their time and their counts.
    pub(super) fn and(&self, source: Source, faults: Vec<Fault>, lasting: Option<Duration>) -> Self {
        self.of(source, self.0.get(&source).cloned().unwrap_or_default(), faults, lasting)
    }

    /// The set without one such fault of a source.
    pub(super) fn without(&self, source: Source, fault: &Fault) -> Self {
        let mut others = self.0.get(&source).cloned().unwrap_or_default();
        if let Some(index) = others.iter().position(|armed| armed.is_current() && armed.fault == *fault) {
            others.remove(index);
        }
        self.of(source, others, Vec::new(), None)
    }

    fn of(
        &self,
        source: Source,
        mut armed: Vec<Arc<Armed>>,
        faults: Vec<Fault>,
        lasting: Option<Duration>,
    ) -> Self {
        let now = Instant::now();
        for fault in faults {
            // Two faults alike are two faults, which are drawn independently.
            let id = |number| {
                let header = u64::from(source == Source::Header);
                Draw::new(Seed(number), &fault.identity()).number(header).hash()
            };
            let is_free = |id: &u64| armed.iter().all(|other| other.id != *id);
            let id = (1..=armed.len() as u64 + 1).map(id).find(is_free).unwrap_or_default();
            let lasts = [fault.lasts(), lasting].into_iter().flatten().min();
            armed.push(Arc::new(Armed {
                until: lasts.and_then(|lasts| now.checked_add(lasts)),
                fault,
                source,
                id,
                active: AtomicU32::new(0),
                acted: AtomicU64::new(0),
            }));
        }
        let mut sources = self.0.clone();
        sources.insert(source, armed);
        // Ended faults do not count.
        for armed in sources.values_mut() {
            armed.retain(|armed| armed.is_current());
        }
        Self(sources)
    }

    pub(super) fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// The faults that have not ended.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Armed>> {
        self.0.values().flatten().filter(|armed| armed.is_current())
    }

    pub(super) fn state(&self) -> Vec<FaultState> {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let state = |armed: &Arc<Armed>| FaultState {
            fault: armed.fault.clone(),
            source: armed.source,
            until: armed.until.map(|until| clock + until.saturating_duration_since(now)),
            acted: armed.acted.load(Ordering::Relaxed),
        };
        self.all().map(state).collect()
    }
}

impl Armed {
    fn is_current(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }

    /// Takes one of the calls that the fault may act on at once.
    pub(super) fn take(&self) -> bool {
        let max = self.fault.max();
        let more = |active: u32| (active < max).then_some(active + 1);
        self.active.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    pub(super) fn give_back(&self) {
        self.active.fetch_sub(1, Ordering::Relaxed);
    }

    /// Notes that it acted.
    pub(super) fn note(&self) {
        self.acted.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that it acted; whether for the first time.
    pub(super) fn is_first(&self) -> bool {
        self.acted.fetch_add(1, Ordering::Relaxed) == 0
    }
}
