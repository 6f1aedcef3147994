//! Consuming: the broker sends messages, up to the prefetch limit, and callers take them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{sync::watch, time::sleep};

use super::{
    dead_letters::DeadLetters,
    settings::RabbitSettings,
    settlement::{RabbitSettlement, give_back, give_back_soon},
    state::ConnectionState,
    subscription::Subscription,
    supervisor::Supervisor,
    wire,
};
use crate::{
    open::OpenError,
    prefetched::Prefetched,
    queue::{ConsumeError, Consumer, Delivery},
};

/// How long the broker has to take messages back on [`close`](Consumer::close).
const GIVE_BACK_TIMEOUT: Duration = Duration::from_secs(5);

/// Consumes a RabbitMQ queue.
///
/// When a connection is lost, the broker takes its deliveries back and delivers them again: settling one is then a
/// [`LeaseLost`](crate::queue::SettleError::LeaseLost).
pub struct RabbitConsumer {
    prefetched: Arc<Prefetched<lapin::message::Delivery>>,
    cancelled: watch::Receiver<bool>,
    state: Arc<ConnectionState>,
    /// Its outbox keeps the connection, also after the consumer is dropped while deliveries live.
    dead_letters: Arc<DeadLetters>,
}

impl RabbitConsumer {
    /// Opens the queue, and connects in the background, whether or not the broker is available.
    ///
    /// # Errors
    /// See [`OpenError`]. A broker that is unavailable or refuses us is not an error: the consumer is then `Unavailable`.
    pub async fn open(settings: RabbitSettings) -> Result<Self, OpenError> {
        let names = settings.names()?;
        let prefetched = Arc::new(Prefetched::default());
        let (cancelling, cancelled) = watch::channel(false);
        let subscription = Subscription {
            queue: names.queue.clone(),
            prefetch: settings.prefetch,
            prefetched: Arc::clone(&prefetched),
            cancelled: cancelling,
        };
        let (outbox, state) =
            Supervisor::start(&settings, names.clone(), "consumer", Some(subscription)).await?;
        let dead_letters = Arc::new(DeadLetters::new(names.dead_letters, outbox, settings.prefetch));
        Ok(Self { prefetched, cancelled, state, dead_letters })
    }

    fn delivery(&self, taken: lapin::message::Delivery) -> Delivery {
        let attempt = wire::attempt(&taken.properties, taken.redelivered);
        let published = wire::published(&taken.properties);
        let message = wire::message(&taken.properties, taken.data);
        let settlement =
            RabbitSettlement::new(taken.acker, taken.properties, attempt, Arc::clone(&self.dead_letters));
        Delivery::new(message, attempt, published, Box::new(settlement))
    }
}

#[async_trait]
impl Consumer for RabbitConsumer {
    async fn next(&self) -> Result<Delivery, ConsumeError> {
        let taken = self.prefetched.next().await.ok_or(ConsumeError::Closed)?;
        Ok(self.delivery(taken))
    }

    async fn ping(&self) -> Result<(), ConsumeError> {
        self.state.check().and_then(|()| self.dead_letters.check()).map_err(ConsumeError::Unavailable)
    }

    async fn close(&self) -> Result<(), ConsumeError> {
        for taken in self.prefetched.close() {
            // A message that cannot be given back comes back by the loss of the connection.
            let _ = give_back(&taken.acker).await;
        }
        let mut cancelled = self.cancelled.clone();
        tokio::select! {
            _ = cancelled.wait_for(|cancelled| *cancelled) => Ok(()),
            // The broker has taken everything back by itself, or has sent nothing yet.
            () = self.state.disconnected() => Ok(()),
            () = sleep(GIVE_BACK_TIMEOUT) => {
                Err(ConsumeError::Unavailable("the broker did not take the messages back in time".to_owned()))
            }
        }
    }
}

impl Drop for RabbitConsumer {
    fn drop(&mut self) {
        for taken in self.prefetched.close() {
            give_back_soon(&taken.acker);
        }
    }
}
