//! Metrics and traces of the store and the queue, as decorators around the ports.

mod attributes;

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use octet_backends::{
    queue::{Delivery, Message, PublishError, Publisher},
    store::{Document, DocumentStore, Inserted, StoreError},
};
use octet_runtime::{
    logs::{self, HEADERS},
    metrics::{IntCounterVec, IntGaugeVec, Metrics, SecondsSeries, WAIT_BUCKETS},
    telemetry::{SampledIds, Shape, Span, SpanKind},
};
use octet_topology::QueueName;

pub(crate) use attributes::{QueueAttributes, ServerAttributes, StoreAttributes};

/// Counts, times and traces a store's inserts.
pub(crate) struct ObservedStore {
    inner: Arc<dyn DocumentStore>,
    shape: Shape,
    inserts: IntCounterVec,
    seconds: SecondsSeries,
}

impl ObservedStore {
    pub(crate) fn new(
        inner: Arc<dyn DocumentStore>,
        attributes: &StoreAttributes,
        metrics: &Metrics,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            inner,
            inserts: metrics.outcomes(
                "octet_store_inserts_total",
                "Inserts by outcome",
                &["new", "already_there", "unavailable", "rejected"],
            )?,
            shape: attributes.insert(),
            seconds: metrics
                .seconds("octet_store_insert_seconds", "Duration of inserts in seconds", &[])?
                .with::<&str>(&[]),
        })
    }
}

#[async_trait]
impl DocumentStore for ObservedStore {
    async fn insert(&self, document: &Document) -> Result<Inserted, StoreError> {
        let started = Instant::now();
        let mut span = Span::child_of_shape(&self.shape);
        let inserted = self.inner.insert(document).await;
        self.seconds.observe(started.elapsed(), span.sampled_ids());
        let outcome = match &inserted {
            Ok(Inserted::New) => "new",
            Ok(Inserted::AlreadyThere) => "already_there",
            Err(StoreError::Unavailable(_)) => "unavailable",
            Err(StoreError::OtherContent | StoreError::Rejected(_)) => "rejected",
        };
        self.inserts.with_label_values(&[outcome]).inc();
        span.set("octet.store.outcome", outcome);
        if let Err(error) = &inserted {
            span.set("error.type", outcome);
            span.fail(|| error.to_string());
        }
        inserted
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}

/// Counts, times and traces a publisher's messages, up to the broker's confirm.
pub(crate) struct ObservedPublisher {
    inner: Arc<dyn Publisher>,
    queue: QueueName,
    shape: Shape,
    published: IntCounterVec,
    seconds: SecondsSeries,
}

impl ObservedPublisher {
    pub(crate) fn new(
        inner: Arc<dyn Publisher>,
        attributes: QueueAttributes,
        metrics: &Metrics,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            inner,
            shape: attributes.shape(SpanKind::Producer, "send"),
            queue: attributes.queue,
            published: metrics.outcomes(
                "octet_queue_published_total",
                "Published messages by outcome",
                &["confirmed", "unavailable", "rejected"],
            )?,
            seconds: metrics
                .seconds("octet_queue_publish_seconds", "Seconds from publish to confirm", &[])?
                .with::<&str>(&[]),
        })
    }
}

#[async_trait]
impl Publisher for ObservedPublisher {
    async fn publish(&self, mut message: Message) -> Result<(), PublishError> {
        let started = Instant::now();
        let mut span = Span::child_of_shape(&self.shape);
        if span.is_recording() {
            span.set("messaging.message.id", &message.id);
            QueueAttributes::add_sent(&mut message.headers);
        }
        span.inject_message(&mut message.headers);
        let shown = || logs::masked_pairs(&message.headers);
        let queue = self.queue.as_str();
        tracing::debug!(target: HEADERS, queue, id = message.id, headers = %shown(), "message sent");
        let published = self.inner.publish(message).await;
        self.seconds.observe(started.elapsed(), span.sampled_ids());
        let outcome = match &published {
            Ok(()) => "confirmed",
            Err(PublishError::Unavailable(_)) => "unavailable",
            Err(PublishError::Rejected(_)) => "rejected",
        };
        self.published.with_label_values(&[outcome]).inc();
        span.set("octet.queue.outcome", outcome);
        if let Err(error) = &published {
            span.set("error.type", outcome);
            span.fail(|| error.to_string());
        }
        published
    }

    async fn ping(&self) -> Result<(), PublishError> {
        self.inner.ping().await
    }
}

/// Metrics of the messages taken from the queue.
#[derive(Clone)]
pub(crate) struct ConsumerMetrics {
    settled: IntCounterVec,
    redelivered: IntCounterVec,
    in_flight: IntGaugeVec,
    waited: SecondsSeries,
}

/// Counts one message as in flight until it is dropped.
pub(crate) struct InFlight(IntGaugeVec);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.with_label_values::<&str>(&[]).dec();
    }
}

impl ConsumerMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let redelivered = metrics.counter(
            "octet_queue_redelivered_total",
            "Deliveries other than the first of their message",
            &[],
        )?;
        redelivered.with_label_values::<&str>(&[]);
        Ok(Self {
            settled: metrics.outcomes(
                "octet_queue_settled_total",
                "Settled messages by outcome",
                &["stored", "duplicate", "dead_lettered", "settle_failed"],
            )?,
            redelivered,
            in_flight: metrics.gauge(
                "octet_queue_in_flight",
                "Messages that this process has taken but not yet settled",
                &[],
            )?,
            waited: metrics
                .seconds_in(
                    WAIT_BUCKETS,
                    "octet_queue_wait_seconds",
                    "Seconds from publish to first delivery, by the clocks of publisher and consumer",
                    &[],
                )?
                .with::<&str>(&[]),
        })
    }

    /// Counts a delivery, which is in flight until the returned guard is dropped.
    pub(crate) fn taken(&self, delivery: &Delivery, span: Option<SampledIds>) -> InFlight {
        if delivery.attempt() > 1 {
            self.redelivered.with_label_values::<&str>(&[]).inc();
        } else if let Some(waited) = QueueAttributes::waited(delivery) {
            self.waited.observe(waited, span);
        }
        self.in_flight.with_label_values::<&str>(&[]).inc();
        InFlight(self.in_flight.clone())
    }

    /// `outcome` is `stored`, `duplicate`, `dead_lettered` or `settle_failed`.
    pub(crate) fn settled(&self, outcome: &str) {
        self.settled.with_label_values(&[outcome]).inc();
    }
}
