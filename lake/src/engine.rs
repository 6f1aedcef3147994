//! Moves rows from sources to the lake: polls, bounds memory, commits, retries.
//!
//! Each source has a task. Rows of a topic are gathered until `flush.size`, the topic's share of the memory, or
//! `rotate.schedule.interval.ms` is reached. After a failure, reading continues after the newest commit.

mod gathered;
mod health;
mod job;
mod metrics;
mod topic;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use octet_runtime::{drain::Drain, telemetry::Tracer};
use tokio::task::JoinSet;

pub use health::Health;
pub use metrics::LakeMetrics;

use crate::{Lake, LakeError, SinkOptions, Transforms, source::Source};

/// Where a topic goes.
#[derive(Debug, Clone)]
pub struct Route {
    /// The lake.
    pub lake: Lake,
    /// How it becomes objects.
    pub options: SinkOptions,
    /// The source's transforms, then the sink's.
    pub transforms: Transforms,
}

/// Finds where a topic goes: topics of a whole schema are not known before the source is connected.
pub type Router = Box<dyn Fn(&str) -> Result<Route, LakeError> + Send + Sync>;

/// A source and where its topics go.
pub struct Job {
    /// The source.
    pub source: Box<dyn Source>,
    /// Where its topics go.
    pub route: Router,
    /// Between two polls.
    pub poll_interval: Duration,
}

/// When the engine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// When all rows that are final now are committed.
    Once,
    /// When the process drains.
    Follow,
}

/// What was committed of a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows.
    pub rows: u64,
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows that are read and not committed yet.
    pub pending: u64,
    /// Rows that could not be converted.
    pub bad_rows: u64,
    /// Why the topic has stopped.
    pub stopped: Option<String>,
}

/// Counts by topic, while the engine runs and after it. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<BTreeMap<String, Counts>>>);

impl Progress {
    /// The counts now.
    pub fn counts(&self) -> BTreeMap<String, Counts> {
        self.locked().clone()
    }

    fn change(&self, topic: &str, change: impl FnOnce(&mut Counts)) {
        change(self.locked().entry(topic.to_owned()).or_default());
    }

    /// Valid even after a thread panicked while holding the lock.
    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What all jobs share.
#[derive(Clone)]
pub struct Shared {
    /// When to end.
    pub run: Run,
    /// Ends the engine: what is gathered is committed first.
    pub drain: Drain,
    /// Series.
    pub metrics: LakeMetrics,
    /// Spans of polls and commits.
    pub tracer: Tracer,
    /// Counts.
    pub progress: Progress,
    /// What readiness reports.
    pub health: Health,
    /// Bytes of rows that wait for their commit, of all topics together.
    pub memory: usize,
}

/// Runs all jobs to their end. Returns the reasons of those that failed: of whole sources by their names, and of topics.
pub async fn run(jobs: Vec<Job>, shared: Shared) -> Vec<String> {
    let mut tasks = JoinSet::new();
    let share = shared.memory / jobs.len().max(1);
    for job in jobs {
        tasks.spawn(job::run(job, shared.clone(), share));
    }
    let mut failures = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(failed) => failures.extend(failed),
            Err(error) => failures.push(error.to_string()),
        }
    }
    failures.sort();
    failures
}
