//! From a span's end to an exporter: gathered in batches of bounded size and number, never waiting, and a worker that
//! delivers them.

use std::{
    collections::VecDeque,
    future::Future,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use opentelemetry_sdk::trace::SpanData;
use prometheus::{IntCounter, IntCounterVec};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

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

/// A span that ended, with what B3 says of it beyond OpenTelemetry's record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended<'a> {
    pub(super) data: &'a SpanData,
    /// Somebody asked for this very trace.
    pub(super) is_debug: bool,
}

/// Delivers spans, in batches of a form of its own.
pub(super) trait Exporter: Send + Sync + 'static {
    /// What spans are gathered in. A form that needs no span afterwards is the cheaper one: a span that ends is still
    /// in the processor's cache.
    type Batch: Default + Send;

    /// `OTEL_TRACES_EXPORTER`'s name for it.
    fn name(&self) -> &'static str;

    /// Adds a span that ended.
    fn add(&self, batch: &mut Self::Batch, span: Ended<'_>);

    /// Whether a batch had better be posted, however few its spans are: a backend refuses what is too large as a whole.
    fn is_large(&self, _batch: &Self::Batch) -> bool {
        false
    }

    /// Delivers a batch, or says why not.
    fn export(&self, batch: Self::Batch) -> impl Future<Output = Result<(), String>> + Send;
}

/// Takes spans as they end.
pub(super) trait Sink: Send + Sync {
    /// Takes a span, or drops it where there is no room.
    fn push(&self, span: Ended<'_>);

    /// Counts what waits as dropped, and says how many spans that were.
    fn give_up(&self) -> usize;
}

/// The spans that wait for one exporter.
pub(super) struct Queue<E: Exporter> {
    exporter: E,
    settings: BatchSettings,
    waiting: Mutex<Waiting<E::Batch>>,
    filled: Notify,
    exported: IntCounter,
    dropped: IntCounter,
}

/// Batches, each with the number of its spans.
#[derive(Default)]
struct Waiting<B> {
    whole: VecDeque<(B, usize)>,
    /// The one that is being filled.
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
            dropped: spans.with_label_values(&[exporter.name(), "dropped"]),
            exporter,
        }
    }

    /// The oldest batch, whole or not; one of no spans when nothing waits.
    fn take(&self) -> (E::Batch, usize) {
        let mut waiting = self.waiting();
        let batch = waiting.whole.pop_front().unwrap_or_else(|| mem::take(&mut waiting.last));
        waiting.spans -= batch.1;
        batch
    }

    /// Whether a batch is posted without waiting for further spans.
    fn is_whole(&self, batch: &E::Batch, spans: usize) -> bool {
        spans == self.settings.batch || self.exporter.is_large(batch)
    }

    fn drop_of(&self, spans: usize) {
        self.dropped.inc_by(u64::try_from(spans).unwrap_or(u64::MAX));
    }

    /// It is whole even where a thread panicked that held it.
    fn waiting(&self) -> MutexGuard<'_, Waiting<E::Batch>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: Exporter> Sink for Queue<E> {
    fn push(&self, span: Ended<'_>) {
        let mut waiting = self.waiting();
        if waiting.spans >= self.settings.queue {
            self.dropped.inc();
            return;
        }
        waiting.spans += 1;
        let (batch, spans) = &mut waiting.last;
        self.exporter.add(batch, span);
        *spans += 1;
        if self.is_whole(batch, *spans) {
            let whole = mem::take(&mut waiting.last);
            waiting.whole.push_back(whole);
            self.filled.notify_one();
        }
    }

    fn give_up(&self) -> usize {
        let left = mem::take(&mut *self.waiting()).spans;
        self.drop_of(left);
        left
    }
}

/// Empties `queue` until `closing` says that nothing more comes, and then to its end.
pub(super) async fn run<E: Exporter>(queue: Arc<Queue<E>>, mut closing: watch::Receiver<bool>) {
    let mut backend = Backend::Reached;
    loop {
        let is_closing = *closing.borrow();
        let (batch, spans) = queue.take();
        let is_whole = queue.is_whole(&batch, spans);
        if spans > 0 {
            backend = export(&queue, batch, spans, backend).await;
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
async fn export<E: Exporter>(queue: &Queue<E>, batch: E::Batch, spans: usize, before: Backend) -> Backend {
    let exporter = queue.exporter.name();
    let reason = match timeout(queue.settings.timeout, queue.exporter.export(batch)).await {
        Ok(Ok(())) => {
            queue.exported.inc_by(u64::try_from(spans).unwrap_or(u64::MAX));
            if before == Backend::Away {
                tracing::info!(exporter, "spans are delivered again");
            }
            return Backend::Reached;
        }
        Ok(Err(reason)) => reason,
        Err(_) => format!("not delivered within {:?}", queue.settings.timeout),
    };
    queue.drop_of(spans);
    if before == Backend::Reached {
        tracing::warn!(exporter, reason, "spans cannot be delivered: dropping them until they can");
    }
    Backend::Away
}
