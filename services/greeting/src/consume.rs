//! From the queue into the store: at least one delivery, exactly one document.

use std::{sync::Arc, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt};
use octet_backends::{
    queue::{ConsumeError, Consumer, Delivery, SettleError},
    store::{DocumentStore, Inserted, StoreError},
};

use crate::{message, observed::ConsumerMetrics};

/// Deliveries worked on at once; their inserts share a transaction.
pub(crate) const IN_HAND: u16 = 100;

/// The first pause while the store is away; each next one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Takes messages and stores what they carry.
pub(crate) struct Consume {
    pub(crate) consumer: Arc<dyn Consumer>,
    pub(crate) store: Arc<dyn DocumentStore>,
    pub(crate) metrics: ConsumerMetrics,
}

impl Consume {
    /// Takes messages until `stop`; then finishes what it holds. Dropping the future gives back the rest.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        let mut in_hand = FuturesUnordered::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(()) = in_hand.next() => {}
                next = self.consumer.next(), if in_hand.len() < usize::from(IN_HAND) => match next {
                    Ok(delivery) => in_hand.push(self.settle(delivery)),
                    Err(ConsumeError::Unavailable(reason)) => tracing::warn!(reason, "no deliveries"),
                    Err(ConsumeError::Closed) => break,
                }
            }
        }
        if let Err(error) = self.consumer.close().await {
            tracing::warn!(%error, "cannot give back what was prefetched: it comes again by itself");
        }
        while in_hand.next().await.is_some() {}
    }

    /// Acknowledges only what is stored. While the store is away the delivery is kept and the insert tried
    /// again, so that an outage dead-letters nothing.
    async fn settle(&self, delivery: Delivery) {
        let _in_hand = self.metrics.taken(&delivery);
        let document = match message::decode(&delivery.message().body) {
            Ok(document) => document,
            Err(error) => return self.dead_letter(delivery, &error.to_string()).await,
        };
        let mut pause = FIRST_PAUSE;
        let outcome = loop {
            match self.store.insert(&document).await {
                Ok(Inserted::New) => break "stored",
                Ok(Inserted::AlreadyThere) => break "duplicate",
                Err(StoreError::Unavailable(reason)) => {
                    tracing::debug!(reason, "the store is away: keeping the delivery");
                    tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(StoreError::Rejected(reason)) => return self.dead_letter(delivery, &reason).await,
            }
        };
        tracing::debug!(id = document.id, outcome, "settled");
        let settled = delivery.ack().await;
        self.report(outcome, settled);
    }

    async fn dead_letter(&self, delivery: Delivery, reason: &str) {
        tracing::warn!(id = delivery.message().id, reason, "dead-lettering a message");
        let settled = delivery.dead_letter(reason).await;
        self.report("dead_lettered", settled);
    }

    fn report(&self, outcome: &str, settled: Result<(), SettleError>) {
        match settled {
            Ok(()) => self.metrics.settled(outcome),
            Err(error) => {
                tracing::warn!(%error, outcome, "cannot settle: the message comes again");
                self.metrics.settled("settle_failed");
            }
        }
    }
}
