//! What the metrics say of the store and the queue: decorators around the ports, which know nothing of it.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use octet_backends::{
    queue::{Delivery, Message, PublishError, Publisher},
    store::{Document, DocumentStore, Inserted, StoreError},
};
use octet_runtime::metrics::{HistogramVec, IntCounterVec, IntGaugeVec, Metrics, WAIT_BUCKETS};

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
            inserts: metrics.outcomes(
                "octet_store_inserts_total",
                "Inserts, by outcome",
                &["new", "already_there", "unavailable", "rejected"],
            )?,
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
            published: metrics.outcomes(
                "octet_queue_published_total",
                "Messages published, by outcome",
                &["confirmed", "unavailable", "rejected"],
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
    in_hand: IntGaugeVec,
    waited: HistogramVec,
}

/// A message that this process deals with.
pub(crate) struct InHand(IntGaugeVec);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.with_label_values::<&str>(&[]).dec();
    }
}

impl ConsumerMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let redelivered = metrics.counter(
            "octet_queue_redelivered_total",
            "Deliveries that were not the first of their message",
            &[],
        )?;
        redelivered.with_label_values::<&str>(&[]);
        Ok(Self {
            settled: metrics.outcomes(
                "octet_queue_settled_total",
                "Messages settled, by outcome",
                &["stored", "duplicate", "dead_lettered", "settle_failed"],
            )?,
            redelivered,
            in_hand: metrics.gauge(
                "octet_queue_in_hand",
                "Messages that this process has taken and not settled yet",
                &[],
            )?,
            waited: metrics.seconds_in(
                WAIT_BUCKETS,
                "octet_queue_wait_seconds",
                "Seconds from a message's publishing to its first delivery, by the clocks of both",
                &[],
            )?,
        })
    }

    /// A delivery has come, and is in hand until the answer is dropped.
    pub(crate) fn taken(&self, delivery: &Delivery) -> InHand {
        if delivery.attempt() > 1 {
            self.redelivered.with_label_values::<&str>(&[]).inc();
        } else if let Some(published) = delivery.published() {
            let waited = published.elapsed().unwrap_or_default();
            self.waited.with_label_values::<&str>(&[]).observe(waited.as_secs_f64());
        }
        self.in_hand.with_label_values::<&str>(&[]).inc();
        InHand(self.in_hand.clone())
    }

    /// `outcome` is `stored`, `duplicate`, `dead_lettered` or `settle_failed`.
    pub(crate) fn settled(&self, outcome: &str) {
        self.settled.with_label_values(&[outcome]).inc();
    }
}
