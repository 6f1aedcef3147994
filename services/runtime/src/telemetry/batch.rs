//! From a span's end to its export: a bounded queue of batches that never blocks, and a worker that exports them.

use std::{
    collections::VecDeque,
    future::Future,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry_sdk::trace::SpanData;
use prometheus::{IntCounter, IntCounterVec};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use crate::{backoff::Backoff, environment::Environment};

/// Between two exports while the backend is unavailable.
const UNAVAILABLE_PAUSE: Duration = Duration::from_secs(1);

/// The queue and the batches: `OTEL_BSP_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchSettings {
    /// Capacity of the queue in spans; further spans are dropped.
    pub(super) queue: usize,
    /// Spans of one batch.
    pub(super) batch: usize,
    /// How long a batch waits for more spans.
    pub(super) delay: Duration,
    /// How long the export of one batch may take, all attempts together.
    pub(super) timeout: Duration,
}

impl BatchSettings {
    /// The specification's defaults, except for the delay: 1 s instead of 5, so that a trace shows soon.
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

/// A duration in the form of OpenTelemetry's variables.
pub(super) fn milliseconds(environment: &mut Environment<'_>, name: &str, default: u64) -> Duration {
    let allowed = "a whole number of milliseconds from 1 to 600000";
    let milliseconds = environment.or(name, allowed, default, |text| {
        text.parse().ok().filter(|time| (1..=600_000).contains(time)).ok_or(())
    });
    Duration::from_millis(milliseconds)
}

/// An ended span, with B3's debug flag, which OpenTelemetry's record lacks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended<'a> {
    pub(super) data: &'a SpanData,
    /// The caller forced this trace to be recorded.
    pub(super) is_debug: bool,
}

/// Exports spans in batches of its own format.
pub(super) trait Exporter: Send + Sync + 'static {
    /// A batch. Encoding a span as it is added is cheaper than keeping it: the span is still in the processor's cache.
    type Batch: Default + Send;

    /// The exporter's name in `OTEL_TRACES_EXPORTER`.
    fn name(&self) -> &'static str;

    /// Adds an ended span.
    fn add(&self, batch: &mut Self::Batch, span: Ended<'_>);

    /// Whether a batch must be exported, however few its spans are: a backend refuses a batch that is too large.
    fn is_large(&self, _batch: &Self::Batch) -> bool {
        false
    }

    /// Whether the backend can be told how many spans were dropped, even by a batch without spans.
    fn reports_dropped(&self) -> bool {
        false
    }

    /// Exports a batch. `dropped` spans were lost before it. Returns the number of spans that the backend rejected, or
    /// the reason why all failed.
    fn export(&self, batch: Self::Batch, dropped: u64) -> impl Future<Output = Result<usize, String>> + Send;
}

/// Receives spans as they end.
pub(super) trait Sink: Send + Sync {
    /// Queues a span, or drops it where the queue is full.
    fn push(&self, span: Ended<'_>);

    /// Empties the queue, counts its spans as dropped, and returns their number.
    fn discard(&self) -> usize;
}

/// The spans that wait for one exporter.
pub(super) struct Queue<E: Exporter> {
    exporter: E,
    settings: BatchSettings,
    waiting: Mutex<Waiting<E::Batch>>,
    filled: Notify,
    exported: IntCounter,
    rejected: IntCounter,
    dropped: IntCounter,
    /// Those of the dropped spans that the backend does not know of.
    unreported: AtomicU64,
}

/// Batches, each with the number of its spans.
#[derive(Default)]
struct Waiting<B> {
    full: VecDeque<(B, usize)>,
    /// The batch that is being filled.
    last: (B, usize),
    spans: usize,
}

impl<E: Exporter> Queue<E> {
    pub(super) fn new(exporter: E, settings: BatchSettings, spans: &IntCounterVec) -> Self {
        Self {
            settings,
            waiting: Mutex::default(),
            filled: Notify::new(),
            exported: spans.with_label_values(&[exporter.name(), "exported"]),
            rejected: spans.with_label_values(&[exporter.name(), "rejected"]),
            dropped: spans.with_label_values(&[exporter.name(), "dropped"]),
            unreported: AtomicU64::new(0),
            exporter,
        }
    }

    /// The oldest batch, full or not; an empty batch when the queue is empty.
    fn take(&self) -> (E::Batch, usize) {
        let mut waiting = self.waiting();
        let batch = waiting.full.pop_front().unwrap_or_else(|| mem::take(&mut waiting.last));
        waiting.spans -= batch.1;
        batch
    }

    /// Whether a batch is exported without waiting for more spans.
    fn is_full(&self, batch: &E::Batch, spans: usize) -> bool {
        spans == self.settings.batch || self.exporter.is_large(batch)
    }

    fn count_dropped(&self, spans: usize) {
        let spans = u64::try_from(spans).unwrap_or(u64::MAX);
        self.dropped.inc_by(spans);
        self.unreported.fetch_add(spans, Ordering::Relaxed);
    }

    /// Whether the backend must be told of dropped spans.
    fn has_unreported(&self) -> bool {
        self.exporter.reports_dropped() && self.unreported.load(Ordering::Relaxed) > 0
    }

    /// Valid even after a thread panicked while holding the lock.
    fn waiting(&self) -> MutexGuard<'_, Waiting<E::Batch>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: Exporter> Sink for Queue<E> {
    fn push(&self, span: Ended<'_>) {
        let mut waiting = self.waiting();
        if waiting.spans >= self.settings.queue {
            self.count_dropped(1);
            return;
        }
        waiting.spans += 1;
        let (batch, spans) = &mut waiting.last;
        self.exporter.add(batch, span);
        *spans += 1;
        if self.is_full(batch, *spans) {
            let full = mem::take(&mut waiting.last);
            waiting.full.push_back(full);
            self.filled.notify_one();
        }
    }

    fn discard(&self) -> usize {
        let left = mem::take(&mut *self.waiting()).spans;
        self.count_dropped(left);
        left
    }
}

/// Exports the spans of `queue` until `closing` is set, and then the rest.
pub(super) async fn run<E: Exporter>(queue: Arc<Queue<E>>, mut closing: watch::Receiver<bool>) {
    let mut backend = Backend::Available;
    loop {
        let is_closing = *closing.borrow();
        let (batch, spans) = queue.take();
        let is_full = queue.is_full(&batch, spans);
        if spans > 0 || queue.has_unreported() {
            backend = export(&queue, batch, spans, backend).await;
            if is_closing && backend == Backend::Unavailable {
                // Logged already; the rest would fail as well.
                queue.discard();
            }
        }
        if is_closing && !is_full {
            return;
        }
        let pause = match backend {
            Backend::Available if is_full => continue,
            Backend::Available => queue.settings.delay,
            Backend::Unavailable => {
                let pause = UNAVAILABLE_PAUSE.max(queue.settings.delay);
                Backoff::new(pause, pause).pause()
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = queue.filled.notified(), if backend == Backend::Available => {}
            // A dropped sender means the same.
            _ = closing.wait_for(|closing| *closing), if !is_closing => {}
        }
    }
}

/// Whether the last export succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    Available,
    Unavailable,
}

/// Exports one batch or drops it, and logs when the backend's state changes.
async fn export<E: Exporter>(queue: &Queue<E>, batch: E::Batch, spans: usize, before: Backend) -> Backend {
    let exporter = queue.exporter.name();
    let unreported = queue.unreported.load(Ordering::Relaxed);
    let reason = match timeout(queue.settings.timeout, queue.exporter.export(batch, unreported)).await {
        Ok(Ok(rejected)) => {
            queue.unreported.fetch_sub(unreported, Ordering::Relaxed);
            let rejected = rejected.min(spans);
            queue.rejected.inc_by(u64::try_from(rejected).unwrap_or(u64::MAX));
            queue.exported.inc_by(u64::try_from(spans - rejected).unwrap_or(u64::MAX));
            if before == Backend::Unavailable {
                tracing::info!(exporter, "span export recovered");
            }
            return Backend::Available;
        }
        Ok(Err(reason)) => reason,
        Err(_) => format!("export timed out after {:?}", queue.settings.timeout),
    };
    queue.count_dropped(spans);
    if before == Backend::Available {
        tracing::warn!(exporter, reason, "span export failed; spans are dropped until it recovers");
    }
    Backend::Unavailable
}
