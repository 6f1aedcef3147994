//! What metrics and traces say of the store and the queue: decorators around the ports, which know nothing of it.

mod places;

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use octet_backends::{
    queue::{Delivery, Message, PublishError, Publisher},
    store::{Document, DocumentStore, Inserted, StoreError},
};
use octet_runtime::{
    logs::{self, HEADERS},
    metrics::{HistogramVec, IntCounterVec, IntGaugeVec, Metrics, WAIT_BUCKETS},
    telemetry::{Span, SpanKind},
};

pub(crate) use places::{QueuePlace, ServerPlace, StorePlace};

/// A store whose inserts are counted, timed and traced.
pub(crate) struct ObservedStore {
    inner: Arc<dyn DocumentStore>,
    place: StorePlace,
    inserts: IntCounterVec,
    seconds: HistogramVec,
}

impl ObservedStore {
    pub(crate) fn new(
        inner: Arc<dyn DocumentStore>,
        place: StorePlace,
        metrics: &Metrics,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            inner,
            inserts: metrics.outcomes(
                "octet_store_inserts_total",
                "Inserts, by outcome",
                &["new", "already_there", "unavailable", "rejected"],
            )?,
            place,
            seconds: metrics.seconds("octet_store_insert_seconds", "Seconds an insert took", &[])?,
        })
    }
}

#[async_trait]
impl DocumentStore for ObservedStore {
    async fn insert(&self, document: &Document) -> Result<Inserted, StoreError> {
        let begun = Instant::now();
        let mut span = self.place.insert_span();
        let inserted = self.inner.insert(document).await;
        self.seconds.with_label_values::<&str>(&[]).observe(begun.elapsed().as_secs_f64());
        let outcome = match &inserted {
            Ok(Inserted::New) => "new",
            Ok(Inserted::AlreadyThere) => "already_there",
            Err(StoreError::Unavailable(_)) => "unavailable",
            Err(StoreError::Rejected(_)) => "rejected",
        };
        self.inserts.with_label_values(&[outcome]).inc();
        span.set("octet.store.outcome", outcome);
        if let Err(error) = &inserted {
            span.fail(|| error.to_string());
        }
        inserted
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}

/// A publisher whose messages are counted, timed and traced, up to the broker's confirm.
pub(crate) struct ObservedPublisher {
    inner: Arc<dyn Publisher>,
    place: QueuePlace,
    published: IntCounterVec,
    seconds: HistogramVec,
}

impl ObservedPublisher {
    pub(crate) fn new(
        inner: Arc<dyn Publisher>,
        place: QueuePlace,
        metrics: &Metrics,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            inner,
            place,
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
    async fn publish(&self, mut message: Message) -> Result<(), PublishError> {
        let begun = Instant::now();
        let mut span = Span::child(SpanKind::Producer, &format!("send {}", self.place.queue));
        if span.is_recording() {
            self.place.tell(&mut span, &message.id);
            span.set("messaging.operation.name", "publish");
            span.set("messaging.operation.type", "send");
            QueuePlace::note_sent(&mut message.headers);
        }
        span.inject_message(&mut message.headers);
        let shown = || logs::masked_pairs(&message.headers);
        let queue = self.place.queue.as_str();
        tracing::debug!(target: HEADERS, queue, id = message.id, headers = %shown(), "message sent");
        let published = self.inner.publish(message).await;
        self.seconds.with_label_values::<&str>(&[]).observe(begun.elapsed().as_secs_f64());
        let outcome = match &published {
            Ok(()) => "confirmed",
            Err(PublishError::Unavailable(_)) => "unavailable",
            Err(PublishError::Rejected(_)) => "rejected",
        };
        self.published.with_label_values(&[outcome]).inc();
        span.set("octet.queue.outcome", outcome);
        if let Err(error) = &published {
            span.fail(|| error.to_string());
        }
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
                "Seconds from a message's publishing to its first delivery, by the clocks of both sides",
                &[],
            )?,
        })
    }

    /// A delivery has come, and is in hand until the answer is dropped.
    pub(crate) fn taken(&self, delivery: &Delivery) -> InHand {
        if delivery.attempt() > 1 {
            self.redelivered.with_label_values::<&str>(&[]).inc();
        } else if let Some(waited) = QueuePlace::waited(delivery) {
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
