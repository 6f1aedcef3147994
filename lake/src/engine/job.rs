//! One source: polls it, and hands its rows to its topics.

use std::time::{Duration, Instant};

use octet_runtime::{
    backoff::Backoff,
    telemetry::{Extracted, SpanKind},
};

use super::{
    Job, Run, Shared,
    topic::{DRAINING, Intake, Topic},
};
use crate::LakeError;

const RETRIES: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));

/// How often a run of `--once` tries a poll that fails.
const TRIES: u32 = 6;

/// How often the lag is measured while open transactions are waited for.
const MEASURE: Duration = Duration::from_secs(5);

/// The smallest share of the memory of a topic: a page must fit.
const LEAST_SHARE: usize = 1024 * 1024;

struct Worker {
    job: Job,
    shared: Shared,
    share: usize,
    topics: Vec<Topic>,
    failures: Vec<String>,
    since: Instant,
}

/// Runs a source to its end; returns why it, or some of its topics, failed.
pub(super) async fn run(job: Job, shared: Shared, share: usize) -> Vec<String> {
    let mut worker =
        Worker { job, shared, share, topics: Vec::new(), failures: Vec::new(), since: Instant::now() };
    worker.run().await;
    worker.failures
}

impl Worker {
    async fn run(&mut self) {
        let (mut backoff, mut tries) = (RETRIES, 0);
        while !self.shared.drain.has_started() {
            let name = self.job.source.name().to_owned();
            let pause = match self.poll().await {
                Ok(()) => {
                    self.shared.health.set(&name, Ok(()));
                    (backoff, tries) = (RETRIES, 0);
                    if !self.topics.is_empty() && self.topics.iter().all(|topic| topic.is_stopped) {
                        break;
                    }
                    if self.shared.run == Run::Once && self.is_complete().await {
                        break;
                    }
                    self.job.poll_interval.min(self.retry_pause())
                }
                Err(error) => {
                    self.shared.health.set(&name, Err(error.to_string()));
                    self.job.source.disconnect();
                    tries += 1;
                    if !error.is_retryable() || (self.shared.run == Run::Once && tries == TRIES) {
                        tracing::error!(source = name, reason = %error, "the source has stopped");
                        self.failures.push(format!("{name}: {error}"));
                        break;
                    }
                    let pause = backoff.pause();
                    tracing::warn!(source = name, reason = %error, ?pause, "trying again");
                    pause
                }
            };
            self.pause(pause).await;
        }
        self.flush(|_| true).await;
        for topic in &mut self.topics {
            topic.close().await;
        }
    }

    /// Whether a run of `--once` has committed everything. A topic that failed is tried again.
    async fn is_complete(&mut self) -> bool {
        self.flush(|_| true).await;
        self.topics.iter().all(|topic| topic.is_stopped || !topic.is_waiting())
    }

    /// One poll of all topics. An error is the source's.
    async fn poll(&mut self) -> Result<(), LakeError> {
        let mut span = self.shared.tracer.start(&Extracted::default(), SpanKind::Internal, "poll");
        span.set("octet.lake.source", self.job.source.name());
        let scope = span.scope(self.poll_topics());
        let outcome = scope.await;
        if let Err(error) = &outcome {
            span.fail(|| error.to_string());
        }
        outcome
    }

    async fn poll_topics(&mut self) -> Result<(), LakeError> {
        for name in self.job.source.topics().await? {
            if !self.topics.iter().any(|topic| topic.name == name) {
                let route = (self.job.route)(&name)?;
                self.topics.push(Topic::new(&name, route, self.shared.clone()));
            }
        }
        // The other half is for the object that is being encoded.
        let share = (self.share / 2 / self.topics.len().max(1)).max(LEAST_SHARE);
        self.topics.iter_mut().for_each(|topic| topic.set_share(share));
        self.settle().await?;
        if self.shared.drain.has_started() {
            return Ok(());
        }
        for index in 0..self.topics.len() {
            self.read(index).await?;
            self.flush(|topic| topic.due().is_some_and(|due| due <= Instant::now())).await;
        }
        Ok(())
    }

    /// Waits until newer rows are final. Meanwhile commits what is due.
    async fn settle(&mut self) -> Result<(), LakeError> {
        let drain = self.shared.drain.clone();
        loop {
            let due = self.topics.iter().filter_map(Topic::due).min();
            let until = due.unwrap_or_else(|| Instant::now() + MEASURE).min(Instant::now() + MEASURE);
            let outcome = tokio::select! {
                outcome = self.job.source.settle() => Some(outcome),
                () = tokio::time::sleep_until(until.into()) => None,
                () = drain.started() => return Ok(()),
            };
            if outcome.is_some() {
                self.since = Instant::now();
            }
            let lag = self.since.elapsed().saturating_add(self.job.source.delay());
            self.shared.metrics.lag(self.job.source.name(), lag);
            if let Some(outcome) = outcome {
                return outcome;
            }
            self.flush(|topic| topic.due().is_some_and(|due| due <= Instant::now())).await;
        }
    }

    /// Reads a topic. Its own failures stop or delay it alone; an error is the source's.
    async fn read(&mut self, index: usize) -> Result<(), LakeError> {
        let Some(topic) = self.topics.get_mut(index).filter(|topic| topic.is_ready()) else { return Ok(()) };
        if let Err(error) = topic.open().await {
            self.failures.extend(topic.failed(&error));
            return Ok(());
        }
        let (name, position) = (topic.name.clone(), topic.position());
        let mut intake = Intake { topic, has_failed: false };
        let outcome = self.job.source.read(&name, position.as_ref(), &mut intake).await;
        let is_of_sink = intake.has_failed;
        topic.end_read();
        match outcome {
            Ok(()) => topic.worked(),
            // What was gathered is committed at the end.
            Err(LakeError::Unavailable(reason)) if reason == DRAINING => {}
            Err(error) if is_of_sink || !error.is_retryable() => {
                self.failures.extend(topic.failed(&error));
                // The rest of the rows is not read from the session.
                if is_of_sink {
                    self.job.source.disconnect();
                    self.reconnect().await?;
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Connects again, up to where rows were final before.
    async fn reconnect(&mut self) -> Result<(), LakeError> {
        self.job.source.topics().await?;
        self.settle().await
    }

    async fn flush(&mut self, is_due: impl Fn(&Topic) -> bool) {
        for topic in &mut self.topics {
            if topic.is_stopped || !is_due(topic) {
                continue;
            }
            if let Err(error) = topic.flush().await {
                self.failures.extend(topic.failed(&error));
                self.job.source.rewind(&topic.name);
            }
        }
    }

    fn retry_pause(&self) -> Duration {
        self.topics.iter().filter_map(Topic::retry_pause).min().unwrap_or(Duration::MAX)
    }

    /// Sleeps; meanwhile commits what is due.
    async fn pause(&mut self, pause: Duration) {
        let end = Instant::now() + pause;
        while Instant::now() < end && !self.shared.drain.has_started() {
            let due = self.topics.iter().filter_map(Topic::due).min();
            let until = due.map_or(end, |due| due.min(end));
            tokio::select! {
                () = tokio::time::sleep_until(until.into()) => {}
                () = self.shared.drain.started() => return,
            }
            self.flush(|topic| topic.due().is_some_and(|due| due <= Instant::now())).await;
        }
    }
}
