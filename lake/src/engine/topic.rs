//! One topic: what is gathered, and how it is committed.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use octet_runtime::{
    backoff::Backoff,
    telemetry::{Span, SpanKind},
};

use super::{Route, Shared, gathered::Gathered};
use crate::{BadRow, LakeError, Page, Position, TopicWriter, source::Pages};

/// Pauses of a topic after failures of its sink.
const RETRIES: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));

/// A topic of a source.
pub(super) struct Topic {
    pub(super) name: String,
    route: Route,
    writer: Option<TopicWriter>,
    gathered: Gathered,
    /// After the last row that was read; `None` before the first read of a session.
    read: Option<Position>,
    /// When the oldest gathered row must be committed.
    due: Option<Instant>,
    /// Whether the topic has stopped for good.
    pub(super) is_stopped: bool,
    backoff: Backoff,
    retry_at: Option<Instant>,
    /// Bytes that may be gathered.
    share: usize,
    shared: Shared,
}

impl Topic {
    pub(super) fn new(name: &str, route: Route, shared: Shared) -> Self {
        shared.metrics.start(name);
        shared.progress.change(name, |_| {});
        Self {
            name: name.to_owned(),
            route,
            writer: None,
            gathered: Gathered::default(),
            read: None,
            due: None,
            is_stopped: false,
            backoff: RETRIES,
            retry_at: None,
            share: 0,
            shared,
        }
    }

    pub(super) fn set_share(&mut self, share: usize) {
        self.share = share;
    }

    /// Whether the topic is to be read now.
    pub(super) fn is_ready(&self) -> bool {
        !self.is_stopped && self.retry_at.is_none_or(|at| at <= Instant::now())
    }

    /// Whether the topic waits to be tried again.
    pub(super) fn is_waiting(&self) -> bool {
        self.retry_at.is_some()
    }

    /// How long it waits.
    pub(super) fn retry_pause(&self) -> Option<Duration> {
        let at = self.retry_at.filter(|_| !self.is_stopped)?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    /// When the topic wants attention by itself.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.is_stopped { None } else { self.due }
    }

    /// After what was read, whether it is committed or not.
    pub(super) fn position(&self) -> Option<Position> {
        self.read.clone().or_else(|| self.writer.as_ref()?.position().cloned())
    }

    /// Becomes the topic's writer, where it is not.
    pub(super) async fn open(&mut self) -> Result<(), LakeError> {
        if self.writer.is_none() {
            let writer = TopicWriter::open(&self.route.lake, &self.name, &self.route.options).await?;
            self.writer = Some(writer);
        }
        Ok(())
    }

    /// Ends reading, with or without success.
    pub(super) fn end_read(&mut self) {
        self.gathered.drop_tail();
    }

    /// Commits everything that was read.
    pub(super) async fn flush(&mut self) -> Result<(), LakeError> {
        self.due = None;
        let committed = self.writer.as_ref().and_then(TopicWriter::position);
        let rows = self.gathered.rows();
        // A document that was inserted late has a position that was committed already.
        let is_new = |read: &Position| rows > 0 || Some(read) != committed;
        let Some(read) = self.read.clone().filter(is_new) else { return Ok(()) };
        self.commit(rows, read).await
    }

    /// Gives the topic back, so that another process need not wait for it.
    pub(super) async fn close(&mut self) {
        if let Some(writer) = self.writer.take()
            && let Err(error) = writer.close().await
        {
            tracing::warn!(topic = self.name, %error, "the topic could not be given back");
        }
    }

    pub(super) fn worked(&mut self) {
        self.backoff = RETRIES;
        self.retry_at = None;
        self.shared.health.set(&self.name, Ok(()));
    }

    /// Forgets what is gathered, and tries again later or stops. Returns the reason if the topic stops.
    pub(super) fn failed(&mut self, error: &LakeError) -> Option<String> {
        self.gathered.clear();
        (self.read, self.due) = (None, None);
        self.shared.metrics.failed(&self.name);
        self.report_pending();
        let reason = error.to_string();
        self.shared.health.set(&self.name, Err(reason.clone()));
        if error.is_retryable() {
            let pause = self.backoff.pause();
            tracing::warn!(topic = self.name, reason, ?pause, "trying again");
            self.retry_at = Some(Instant::now() + pause);
            return None;
        }
        (self.writer, self.is_stopped) = (None, true);
        self.shared.metrics.stopped(&self.name);
        self.shared.progress.change(&self.name, |counts| counts.stopped = Some(reason.clone()));
        tracing::error!(topic = self.name, reason, "the topic has stopped");
        Some(format!("{}: {reason}", self.name))
    }

    async fn commit(&mut self, rows: usize, end: Position) -> Result<(), LakeError> {
        let Some(writer) = &mut self.writer else {
            return Err(LakeError::Unavailable("the topic is not open".to_owned()));
        };
        let mut span = Span::child(SpanKind::Client, "commit");
        span.set("octet.lake.topic", &self.name);
        let started = Instant::now();
        let batches = self.gathered.take(rows);
        let committed = writer.commit(&batches, end).await.inspect_err(|error| {
            span.fail(|| error.to_string());
        })?;
        let bad = committed.bad_rows as u64;
        let rows = (rows as u64).saturating_sub(bad);
        self.shared.metrics.committed(&self.name, rows, &committed, started.elapsed(), span.sampled_ids());
        self.shared.metrics.bad_rows(&self.name, bad);
        self.shared.progress.change(&self.name, |counts| {
            counts.rows += rows;
            counts.objects += committed.objects as u64;
            counts.bytes += committed.bytes;
            counts.bad_rows += bad;
        });
        self.report_pending();
        Ok(())
    }

    fn report_pending(&self) {
        let pending = self.gathered.rows();
        self.shared.metrics.pending(&self.name, pending);
        self.shared.progress.change(&self.name, |counts| counts.pending = pending as u64);
    }

    async fn keep_bad_rows(&mut self, bad: &[BadRow]) -> Result<(), LakeError> {
        let Some(first) = bad.first() else { return Ok(()) };
        if !self.route.options.tolerate_errors {
            return Err(LakeError::Row(first.clone()));
        }
        if let Some(writer) = &mut self.writer {
            writer.keep_bad_rows(bad).await?;
        }
        let count = bad.len() as u64;
        self.shared.metrics.bad_rows(&self.name, count);
        self.shared.progress.change(&self.name, |counts| counts.bad_rows += count);
        Ok(())
    }
}

/// A topic while it is read; remembers whether a failure was the sink's.
pub(super) struct Intake<'a> {
    pub(super) topic: &'a mut Topic,
    pub(super) has_failed: bool,
}

/// Reading ends early because the process drains. What is gathered is committed.
pub(super) const DRAINING: &str = "draining";

#[async_trait]
impl Pages for Intake<'_> {
    async fn take(&mut self, page: Page) -> Result<(), LakeError> {
        if self.topic.shared.drain.has_started() {
            return Err(LakeError::Unavailable(DRAINING.to_owned()));
        }
        let taken = self.topic.take(page).await;
        self.has_failed = taken.is_err();
        taken
    }

    async fn reject(&mut self, row: BadRow) -> Result<(), LakeError> {
        let kept = self.topic.keep_bad_rows(&[row]).await;
        self.has_failed = kept.is_err();
        kept
    }

    fn skipped(&mut self, reason: &'static str, rows: u64) {
        self.topic.shared.metrics.skipped(&self.topic.name, reason, rows);
    }
}

impl Topic {
    async fn take(&mut self, page: Page) -> Result<(), LakeError> {
        let last = page.ends.iter().rev().flatten().next().cloned();
        let (page, bad) = self.route.transforms.apply(&self.name, page)?;
        self.keep_bad_rows(&bad).await?;
        self.gathered.push(page);
        // A commit of everything may end there, also where a filter has dropped the last rows.
        self.read = last.or_else(|| self.read.take());
        if self.due.is_none() {
            self.due = Some(Instant::now() + self.route.options.rotate);
        }
        let full = self.gathered.full(self.route.options.flush_size);
        let rows = match full {
            Some(rows) => rows,
            None if self.gathered.bytes() > self.share => self.gathered.most(),
            None => 0,
        };
        if let Some(end) = self.gathered.end(rows) {
            self.commit(rows, end).await?;
            if self.gathered.rows() == 0 {
                self.due = None;
            }
        } else if self.gathered.bytes() > self.share.saturating_mul(4) {
            return Err(LakeError::Refused(format!(
                "more than {} bytes of rows have the same timestamp, and there is no key to part them: use \
                 timestamp+incrementing, or more memory",
                self.share.saturating_mul(4)
            )));
        }
        self.report_pending();
        Ok(())
    }
}
