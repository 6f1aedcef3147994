//! From the queue into the store: at least one delivery, exactly one document.

mod ending;
mod faulted;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt};
use octet_backends::{
    queue::{ConsumeError, Consumer, Delivery, SettleError},
    store::{DocumentStore, Inserted, StoreError},
};

use octet_runtime::{
    backoff::Backoff,
    faults::Faults,
    logs::{self, HEADERS},
    propagation::X_REQUEST_ID,
    telemetry::{Shape, Span, Tracer},
};
use tracing::Instrument;

use self::{
    ending::{End, Ending},
    faulted::FaultedInserts,
};
use crate::{
    message,
    observed::{ConsumerMetrics, QueueAttributes},
};

/// The maximum number of deliveries in flight; their inserts share a transaction.
pub(crate) const PREFETCH: u16 = 100;

/// The pauses between inserts while the store is unavailable.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));

/// Takes messages and stores their greetings.
pub(crate) struct Consume {
    pub(crate) consumer: Arc<dyn Consumer>,
    pub(crate) store: Arc<dyn DocumentStore>,
    pub(crate) metrics: ConsumerMetrics,
    pub(crate) tracer: Tracer,
    pub(crate) attributes: QueueAttributes,
    /// Of the span of a delivery.
    pub(crate) shape: Shape,
    pub(crate) faults: Faults,
}

impl Consume {
    /// Takes messages until `stop`; then finishes the deliveries in flight, and gives back the deliveries that
    /// wait for the store.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        let (end, ending) = End::new();
        let mut in_flight = FuturesUnordered::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(()) = in_flight.next() => {}
                next = self.consumer.next(), if in_flight.len() < usize::from(PREFETCH) => match next {
                    Ok(delivery) => in_flight.push(self.take(delivery, ending.clone())),
                    Err(ConsumeError::Unavailable(reason)) => tracing::warn!(reason, "queue unavailable; no deliveries"),
                    Err(ConsumeError::Closed) => break,
                }
            }
        }
        let closing = async {
            if let Err(error) = self.consumer.close().await {
                tracing::warn!(%error, "cannot give prefetched messages back; the queue will redeliver them");
            }
            // Not earlier: a message given back would be delivered here again.
            end.announce();
        };
        let finishing = async { while in_flight.next().await.is_some() {} };
        tokio::join!(closing, finishing);
    }

    /// Settles a delivery as a step of its publisher's trace.
    async fn take(&self, delivery: Delivery, ending: Ending) {
        let headers = &delivery.message().headers;
        let incoming = self.tracer.extract_message(headers);
        let mut span = self.tracer.start_of_shape(&incoming, &self.shape);
        if span.is_recording() {
            span.set("messaging.message.id", &delivery.message().id);
            span.set("octet.queue.attempt", i64::from(delivery.attempt()));
            if let Some(waited) = QueueAttributes::waited(&delivery) {
                span.set("octet.queue.wait_ms", (waited.as_secs_f64() * 1e6).round() / 1e3);
            }
        }
        let ids = span.ids().or_else(|| incoming.ids());
        let request_id = headers.iter().find(|(name, _)| name.as_str() == X_REQUEST_ID.as_str());
        let request_id = request_id.map(|(_, id)| id.as_str()).unwrap_or_default();
        let log = logs::request_span(request_id, ids.as_ref());
        let (queue, shown) = (self.attributes.queue.as_str(), || logs::masked_pairs(headers));
        let id = delivery.message().id.as_str();
        tracing::debug!(target: HEADERS, parent: &log, queue, id, headers = %shown(), "message received");
        self.settle(delivery, &ending, &mut span).instrument(log).await;
    }

    /// Acknowledges a delivery only once it is stored. While the store is unavailable the delivery is kept and the
    /// insert retried, so that neither an outage nor a shutdown during one dead-letters anything.
    async fn settle(&self, delivery: Delivery, ending: &Ending, span: &mut Span) {
        let _in_flight = self.metrics.taken(&delivery, span.sampled_ids());
        let document = match message::decode(&delivery.message().body) {
            Ok(document) => document,
            Err(error) => return self.dead_letter(delivery, ending, span, &error.to_string()).await,
        };
        let mut pauses = PAUSES;
        let mut faulted = FaultedInserts::new(&self.faults, &delivery.message().headers);
        let outcome = loop {
            let insert = span.scope(self.store.insert(&document));
            let inserted = match &mut faulted {
                None => ending.allows(insert).await,
                Some(faulted) => ending.allows(faulted.insert(insert, span)).await,
            };
            match inserted {
                Some(Ok(Inserted::New)) => break "stored",
                Some(Ok(Inserted::AlreadyThere)) => break "duplicate",
                Some(Err(StoreError::Unavailable(reason))) => {
                    tracing::debug!(reason, "store unavailable; keeping the delivery");
                    span.event("store unavailable; waiting", &[("reason", &reason)]);
                    tokio::select! {
                        () = tokio::time::sleep(pauses.pause()) => {}
                        () = ending.announced() => return self.give_back(delivery, span).await,
                    }
                }
                Some(Err(StoreError::Rejected(reason))) => {
                    return self.dead_letter(delivery, ending, span, &reason).await;
                }
                Some(Err(error @ StoreError::OtherContent)) => {
                    return self.dead_letter(delivery, ending, span, &error.to_string()).await;
                }
                None => return self.give_back(delivery, span).await,
            }
        };
        tracing::info!(id = document.id, outcome, "message settled");
        let settled = delivery.ack().await;
        self.report(outcome, settled, span);
    }

    async fn dead_letter(&self, delivery: Delivery, ending: &Ending, span: &mut Span, reason: &str) {
        let id = delivery.message().id.clone();
        tracing::warn!(id, reason, "message dead-lettered");
        span.fail(|| format!("dead-lettered: {reason}"));
        match ending.allows(delivery.dead_letter(reason)).await {
            Some(settled) => self.report("dead_lettered", settled, span),
            // Cancelled while it waited for the dead-letter queue.
            None => given_back(&id, span),
        }
    }

    async fn give_back(&self, delivery: Delivery, span: &mut Span) {
        let id = delivery.message().id.clone();
        match delivery.give_back().await {
            Ok(()) => given_back(&id, span),
            Err(error) => self.report("given_back", Err(error), span),
        }
    }

    fn report(&self, outcome: &'static str, settled: Result<(), SettleError>, span: &mut Span) {
        match settled {
            Ok(()) => {
                span.set("octet.queue.outcome", outcome);
                self.metrics.settled(outcome);
            }
            Err(error) => {
                span.set("octet.queue.outcome", "settle_failed");
                span.fail(|| error.to_string());
                tracing::warn!(%error, outcome, "cannot settle the message; the queue will redeliver it");
                self.metrics.settled("settle_failed");
            }
        }
    }
}

/// No counter counts it, since nothing is settled.
fn given_back(id: &str, span: &mut Span) {
    span.set("octet.queue.outcome", "given_back");
    tracing::info!(id, "message given back; the consumer is stopping");
}
