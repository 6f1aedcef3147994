//! What the metrics say of the store and the queue: decorators around the ports, which know nothing of it.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use octet_backends::{
    queue::{Message, PublishError, Publisher},
    store::{Document, DocumentStore, Inserted, StoreError},
};
use octet_runtime::metrics::{HistogramVec, IntCounterVec, Metrics};

/// A store whose inserts are counted and timed.
pub(crate) struct ObservedStore {
    inner: Arc<dyn DocumentStore>,
    inserts: IntCounterVec,
    seconds: HistogramVec,
}

impl ObservedStore {
    pub(crate) fn new(inner: Arc<dyn DocumentStore>, metrics: &Metrics) -> Result<Self, prometheus::Error> {
        Ok(Self {
            inner,
            inserts: metrics.counter("octet_store_inserts_total", "Inserts by outcome", &["outcome"])?,
            seconds: metrics.seconds("octet_store_insert_seconds", "Seconds an insert took", &[])?,
        })
    }
}

#[async_trait]
impl DocumentStore for ObservedStore {
    async fn insert(&self, document: &Document) -> Result<Inserted, StoreError> {
        let begun = Instant::now();
        let inserted = self.inner.insert(document).await;
        self.seconds.with_label_values::<&str>(&[]).observe(begun.elapsed().as_secs_f64());
        let outcome = match &inserted {
            Ok(Inserted::New) => "new",
            Ok(Inserted::AlreadyThere) => "already_there",
            Err(StoreError::Unavailable(_)) => "unavailable",
            Err(StoreError::Rejected(_)) => "rejected",
        };
        self.inserts.with_label_values(&[outcome]).inc();
        inserted
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}

/// A publisher whose messages are counted and timed, up to the broker's confirm.
pub(crate) struct ObservedPublisher {
    inner: Arc<dyn Publisher>,
    published: IntCounterVec,
    seconds: HistogramVec,
}

impl ObservedPublisher {
    pub(crate) fn new(inner: Arc<dyn Publisher>, metrics: &Metrics) -> Result<Self, prometheus::Error> {
        Ok(Self {
            inner,
            published: metrics.counter(
                "octet_queue_published_total",
                "Messages published, by outcome",
                &["outcome"],
            )?,
            seconds: metrics.seconds(
                "octet_queue_publish_seconds",
                "Seconds from publish to confirm",
                &[],
            )?,
        })
    }
}

#[async_trait]
impl Publisher for ObservedPublisher {
    async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let begun = Instant::now();
        let published = self.inner.publish(message).await;
        self.seconds.with_label_values::<&str>(&[]).observe(begun.elapsed().as_secs_f64());
        let outcome = match &published {
            Ok(()) => "confirmed",
            Err(PublishError::Unavailable(_)) => "unavailable",
            Err(PublishError::Rejected(_)) => "rejected",
        };
        self.published.with_label_values(&[outcome]).inc();
        published
    }

    async fn ping(&self) -> Result<(), PublishError> {
        self.inner.ping().await
    }
}

/// What became of the messages that were taken from the queue.
#[derive(Clone)]
pub(crate) struct ConsumerMetrics {
    settled: IntCounterVec,
    redelivered: IntCounterVec,
}

impl ConsumerMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        Ok(Self {
            settled: metrics.counter(
                "octet_queue_settled_total",
                "Messages settled, by outcome",
                &["outcome"],
            )?,
            redelivered: metrics.counter(
                "octet_queue_redelivered_total",
                "Deliveries that were not the first of their message",
                &[],
            )?,
        })
    }

    pub(crate) fn taken(&self, attempt: u32) {
        if attempt > 1 {
            self.redelivered.with_label_values::<&str>(&[]).inc();
        }
    }

    /// `outcome` is `stored`, `duplicate`, `dead_lettered` or `settle_failed`.
    pub(crate) fn settled(&self, outcome: &str) {
        self.settled.with_label_values(&[outcome]).inc();
    }
}
