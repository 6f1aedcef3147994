//! From a span's end to an exporter: a bounded queue that never waits, and a worker that empties it in batches.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use prometheus::{IntCounter, IntCounterVec};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::tracer::Recording;
use crate::environment::Environment;

/// Between two tries to deliver while the backend is away.
const AWAY_PAUSE: Duration = Duration::from_secs(1);

/// How spans are gathered: `OTEL_BSP_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchSettings {
    /// Spans that wait at most; further ones are dropped.
    pub(super) queue: usize,
    /// Spans of one batch.
    pub(super) batch: usize,
    /// How long a span waits for others.
    pub(super) delay: Duration,
    /// How long one batch may take, all tries together.
    pub(super) timeout: Duration,
}

impl BatchSettings {
    /// The specification's defaults, but for the delay: 1 s instead of 5, since somebody waits to see the trace.
    pub(super) fn from_environment(environment: &mut Environment<'_>) -> Self {
        let queue = count(environment, "OTEL_BSP_MAX_QUEUE_SIZE", 2_048);
        let batch = count(environment, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512);
        Self {
            queue,
            batch: batch.min(queue),
            delay: milliseconds(environment, "OTEL_BSP_SCHEDULE_DELAY", 1_000),
            timeout: milliseconds(environment, "OTEL_BSP_EXPORT_TIMEOUT", 30_000),
        }
    }
}

fn count(environment: &mut Environment<'_>, name: &str, default: usize) -> usize {
    environment.or(name, "a whole number from 1 to 1000000", default, |text| {
        text.parse().ok().filter(|count| (1..=1_000_000).contains(count)).ok_or(())
    })
}

/// A time as OpenTelemetry's variables have it.
pub(super) fn milliseconds(environment: &mut Environment<'_>, name: &str, default: u64) -> Duration {
    let allowed = "a whole number of milliseconds from 1 to 600000";
    let milliseconds = environment.or(name, allowed, default, |text| {
        text.parse().ok().filter(|time| (1..=600_000).contains(time)).ok_or(())
    });
    Duration::from_millis(milliseconds)
}

/// The spans that wait for one exporter.
pub(super) struct Queue {
    exporter: &'static str,
    settings: BatchSettings,
    spans: Mutex<VecDeque<SpanData>>,
    filled: Notify,
    exported: IntCounter,
    dropped: IntCounter,
}

impl Queue {
    pub(super) fn new(exporter: &'static str, settings: BatchSettings, spans: &IntCounterVec) -> Self {
        Self {
            exporter,
            settings,
            spans: Mutex::default(),
            filled: Notify::new(),
            exported: spans.with_label_values(&[exporter, "exported"]),
            dropped: spans.with_label_values(&[exporter, "dropped"]),
        }
    }

    fn push(&self, span: SpanData) {
        // A queue is whole even where a thread panicked that held it.
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.len() >= self.settings.queue {
            self.dropped.inc();
            return;
        }
        spans.push_back(span);
        if spans.len() == self.settings.batch {
            self.filled.notify_one();
        }
    }

    fn take(&self) -> Vec<SpanData> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = spans.len().min(self.settings.batch);
        spans.drain(..batch).collect()
    }

    /// Counts what waits as dropped.
    pub(super) fn give_up(&self) -> usize {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let left = spans.len();
        spans.clear();
        self.drop_of(left);
        left
    }

    fn drop_of(&self, spans: usize) {
        self.dropped.inc_by(u64::try_from(spans).unwrap_or(u64::MAX));
    }
}

impl Recording {
    /// Hands an ended span to each exporter's queue.
    pub(super) fn hand_over(&self, span: SpanData) {
        let Some((last, others)) = self.queues.split_last() else { return };
        for queue in others {
            queue.push(span.clone());
        }
        last.push(span);
    }
}

/// Empties `queue` into `exporter` until `closing` says that nothing more comes, and then to its end.
pub(super) async fn run(queue: Arc<Queue>, exporter: impl SpanExporter, mut closing: watch::Receiver<bool>) {
    let mut backend = Backend::Reached;
    loop {
        let is_closing = *closing.borrow();
        let batch = queue.take();
        let is_whole = batch.len() == queue.settings.batch;
        if !batch.is_empty() {
            backend = export(&queue, &exporter, batch, backend).await;
            if is_closing && backend == Backend::Away {
                // Said once already, and nobody waits for the rest.
                queue.give_up();
            }
        }
        if is_closing && !is_whole {
            return;
        }
        let pause = match backend {
            Backend::Reached if is_whole => continue,
            Backend::Reached => queue.settings.delay,
            Backend::Away => AWAY_PAUSE.max(queue.settings.delay).mul_f64(0.5 + fastrand::f64() / 2.0),
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = queue.filled.notified(), if backend == Backend::Reached => {}
            // A sender that is gone says the same.
            _ = closing.wait_for(|closing| *closing), if !is_closing => {}
        }
    }
}

/// Whether the last batch was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    Reached,
    Away,
}

/// Delivers one batch or drops it; says it when that is news.
async fn export(
    queue: &Queue,
    exporter: &impl SpanExporter,
    batch: Vec<SpanData>,
    before: Backend,
) -> Backend {
    let spans = batch.len();
    let exporter_name = queue.exporter;
    let reason = match timeout(queue.settings.timeout, exporter.export(batch)).await {
        Ok(Ok(())) => {
            queue.exported.inc_by(u64::try_from(spans).unwrap_or(u64::MAX));
            if before == Backend::Away {
                tracing::info!(exporter = exporter_name, "spans are delivered again");
            }
            return Backend::Reached;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("not delivered within {:?}", queue.settings.timeout),
    };
    queue.drop_of(spans);
    if before == Backend::Reached {
        tracing::warn!(
            exporter = exporter_name,
            reason,
            "spans cannot be delivered: dropping them until they can"
        );
    }
    Backend::Away
}
