//! From a span's end, or a log line, to its export: a bounded queue of batches that never blocks, and a worker that exports
//! them.

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

use prometheus::{IntCounter, IntCounterVec};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::{
    record::Ended,
    shape::{Fragment, ShapeParts},
};
use crate::{backoff::Backoff, environment::Environment};

/// Between two exports while the backend is unavailable.
const UNAVAILABLE_PAUSE: Duration = Duration::from_secs(1);

/// The queue and the batches: `OTEL_BSP_*` of spans, `OTEL_BLRP_*` of log records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchSettings {
    /// Capacity of the queue in items; further ones are dropped.
    pub(super) queue: usize,
    /// Items of one batch.
    pub(super) batch: usize,
    /// How long a batch waits for more items.
    pub(super) delay: Duration,
    /// How long the export of one batch may take, all attempts together.
    pub(super) timeout: Duration,
}

impl BatchSettings {
    /// The specification's defaults, except for the delay of spans: 1 s instead of 5, so that a trace shows soon. `prefix` is
    /// the variables'.
    pub(super) fn from_environment(environment: &mut Environment<'_>, prefix: &str) -> Self {
        let queue = count(environment, &format!("{prefix}_MAX_QUEUE_SIZE"), 2_048);
        let batch = count(environment, &format!("{prefix}_MAX_EXPORT_BATCH_SIZE"), 512);
        Self {
            queue,
            batch: batch.min(queue),
            delay: milliseconds(environment, &format!("{prefix}_SCHEDULE_DELAY"), 1_000),
            timeout: milliseconds(environment, &format!("{prefix}_EXPORT_TIMEOUT"), 30_000),
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

/// Exports items, such as spans, in batches of its own format.
pub(super) trait Exporter: Send + Sync + 'static {
    /// What is exported, in a log line.
    const ITEMS: &'static str;

    /// An item.
    type Item<'a>;

    /// A batch. Encoding a span as it is added is cheaper than keeping it: the span is still in the processor's cache.
    type Batch: Default + Send;

    /// The exporter's name in `OTEL_TRACES_EXPORTER`.
    fn name(&self) -> &'static str;

    /// Adds an item.
    fn add(&self, batch: &mut Self::Batch, item: Self::Item<'_>);

    /// Whether a batch must be exported, however few its items are: a backend refuses a batch that is too large.
    fn is_large(&self, _batch: &Self::Batch) -> bool {
        false
    }

    /// Whether a request can report how many items were dropped, even one without items.
    fn reports_dropped(&self) -> bool {
        false
    }

    /// Exports a batch. `dropped` items were lost before it. Returns the number of items that the backend rejected, or the
    /// reason why all failed.
    fn export(&self, batch: Self::Batch, dropped: u64) -> impl Future<Output = Result<usize, String>> + Send;
}

/// Exports spans.
pub(super) trait SpanExporter: for<'a> Exporter<Item<'a> = Ended<'a>> {
    /// Encodes what the spans of a shape have in common.
    fn shape(&self, shape: &ShapeParts<'_>) -> Fragment;
}

/// Receives spans as they end.
pub(super) trait Sink: Send + Sync {
    /// A shape in the exporter's encoding.
    fn shape(&self, shape: &ShapeParts<'_>) -> Fragment;

    /// Queues a span, or drops it where the queue is full.
    fn push(&self, span: Ended<'_>);

    /// Empties the queue, counts its spans as dropped, and returns their number.
    fn discard(&self) -> usize;
}

/// The items that wait for one exporter.
pub(super) struct Queue<E: Exporter> {
    exporter: E,
    settings: BatchSettings,
    waiting: Mutex<Waiting<E::Batch>>,
    filled: Notify,
    exported: IntCounter,
    rejected: IntCounter,
    dropped: IntCounter,
    /// Those of the dropped items that the backend does not know of.
    unreported: AtomicU64,
}

/// Batches, each with the number of its items.
#[derive(Default)]
struct Waiting<B> {
    full: VecDeque<(B, usize)>,
    /// The batch that is being filled.
    last: (B, usize),
    items: usize,
}

impl<E: Exporter> Queue<E> {
    /// `counts` are by exporter and result.
    pub(super) fn new(exporter: E, settings: BatchSettings, counts: &IntCounterVec) -> Self {
        Self {
            settings,
            waiting: Mutex::default(),
            filled: Notify::new(),
            exported: counts.with_label_values(&[exporter.name(), "exported"]),
            rejected: counts.with_label_values(&[exporter.name(), "rejected"]),
            dropped: counts.with_label_values(&[exporter.name(), "dropped"]),
            unreported: AtomicU64::new(0),
            exporter,
        }
    }

    /// Queues an item, or drops it where the queue is full.
    pub(super) fn push(&self, item: E::Item<'_>) {
        let mut waiting = self.waiting();
        if waiting.items >= self.settings.queue {
            self.count_dropped(1);
            return;
        }
        waiting.items += 1;
        let (batch, items) = &mut waiting.last;
        self.exporter.add(batch, item);
        *items += 1;
        if self.is_full(batch, *items) {
            let full = mem::take(&mut waiting.last);
            waiting.full.push_back(full);
            self.filled.notify_one();
        }
    }

    /// Empties the queue, counts its items as dropped, and returns their number.
    pub(super) fn discard(&self) -> usize {
        let left = mem::take(&mut *self.waiting()).items;
        self.count_dropped(left);
        left
    }

    /// The oldest batch, full or not; an empty batch when the queue is empty.
    fn take(&self) -> (E::Batch, usize) {
        let mut waiting = self.waiting();
        let batch = waiting.full.pop_front().unwrap_or_else(|| mem::take(&mut waiting.last));
        waiting.items -= batch.1;
        batch
    }

    /// Whether a batch is exported without waiting for more items.
    fn is_full(&self, batch: &E::Batch, items: usize) -> bool {
        items == self.settings.batch || self.exporter.is_large(batch)
    }

    fn count_dropped(&self, items: usize) {
        let items = u64::try_from(items).unwrap_or(u64::MAX);
        self.dropped.inc_by(items);
        self.unreported.fetch_add(items, Ordering::Relaxed);
    }

    /// Whether dropped items are to be reported.
    fn has_unreported(&self) -> bool {
        self.exporter.reports_dropped() && self.unreported.load(Ordering::Relaxed) > 0
    }

    /// Valid even after a thread panicked while holding the lock.
    fn waiting(&self) -> MutexGuard<'_, Waiting<E::Batch>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: SpanExporter> Sink for Queue<E> {
    fn shape(&self, shape: &ShapeParts<'_>) -> Fragment {
        self.exporter.shape(shape)
    }

    fn push(&self, span: Ended<'_>) {
        Self::push(self, span);
    }

    fn discard(&self) -> usize {
        Self::discard(self)
    }
}

/// Exports the items of `queue` until `closing` is set, and then the rest.
pub(super) async fn run<E: Exporter>(queue: Arc<Queue<E>>, mut closing: watch::Receiver<bool>) {
    let mut backend = Backend::Available;
    loop {
        let is_closing = *closing.borrow();
        let (batch, items) = queue.take();
        let is_full = queue.is_full(&batch, items);
        if items > 0 || queue.has_unreported() {
            backend = export(&queue, batch, items, backend).await;
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
async fn export<E: Exporter>(queue: &Queue<E>, batch: E::Batch, items: usize, before: Backend) -> Backend {
    let exporter = queue.exporter.name();
    let unreported = queue.unreported.load(Ordering::Relaxed);
    let reason = match timeout(queue.settings.timeout, queue.exporter.export(batch, unreported)).await {
        Ok(Ok(rejected)) => {
            queue.unreported.fetch_sub(unreported, Ordering::Relaxed);
            let rejected = rejected.min(items);
            queue.rejected.inc_by(u64::try_from(rejected).unwrap_or(u64::MAX));
            queue.exported.inc_by(u64::try_from(items - rejected).unwrap_or(u64::MAX));
            if before == Backend::Unavailable {
                tracing::info!(exporter, "export of {} recovered", E::ITEMS);
            }
            return Backend::Available;
        }
        Ok(Err(reason)) => reason,
        Err(_) => format!("export timed out after {:?}", queue.settings.timeout),
    };
    queue.count_dropped(items);
    if before == Backend::Available {
        tracing::warn!(exporter, reason, "export of {} failed; they are dropped until it recovers", E::ITEMS);
    }
    Backend::Unavailable
}
