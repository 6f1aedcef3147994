//! Consuming: messages come by themselves and lie on the shelf until somebody asks for the next.

mod settlement;
mod shelf;
mod subscription;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::sleep;

pub(super) use subscription::Subscription;

use self::{
    settlement::{RabbitSettlement, give_back},
    shelf::{Shelf, Taken},
};
use super::{
    courier::Outbox,
    link::Link,
    settings::{Names, RabbitSettings},
    supervisor::Supervisor,
    wire,
};
use crate::{
    open::OpenError,
    queue::{ConsumeError, Consumer, Delivery},
};

/// How long the broker has to take messages back on [`close`](Consumer::close).
const GIVE_BACK_TIMEOUT: Duration = Duration::from_secs(5);

/// Consumes a RabbitMQ queue.
///
/// A delivery whose connection is lost is the broker's again, which hands it to somebody: settling it is then a
/// [`LeaseLost`](crate::queue::SettleError::LeaseLost).
pub struct RabbitConsumer {
    shelf: Arc<Shelf>,
    link: Arc<Link>,
    /// For dead letters. While it or a clone lives, so does the connection.
    outbox: Outbox,
    names: Names,
}

impl RabbitConsumer {
    /// Opens the queue, and connects in the background: whether the broker is there does not matter.
    ///
    /// # Errors
    /// See [`OpenError`]. A broker that is away or refuses us is none: the consumer is then `Unavailable`.
    pub async fn open(settings: RabbitSettings) -> Result<Self, OpenError> {
        let names = settings.names()?;
        let shelf = Arc::new(Shelf::default());
        let subscription = Subscription {
            queue: names.queue.clone(),
            prefetch: settings.prefetch,
            shelf: Arc::clone(&shelf),
        };
        let (outbox, link) =
            Supervisor::start(&settings, names.clone(), "consumer", Some(subscription)).await?;
        Ok(Self { shelf, link, outbox, names })
    }

    fn delivery(&self, taken: lapin::message::Delivery) -> Delivery {
        let attempt = wire::attempt(&taken.properties, taken.redelivered);
        let published = wire::published(&taken.properties);
        let message = wire::message(&taken.properties, taken.data);
        let settlement = RabbitSettlement::new(
            taken.acker,
            taken.properties,
            attempt,
            self.outbox.clone(),
            self.names.dead_letters.clone(),
        );
        Delivery::new(message, attempt, published, Box::new(settlement))
    }
}

#[async_trait]
impl Consumer for RabbitConsumer {
    async fn next(&self) -> Result<Delivery, ConsumeError> {
        loop {
            let changed = self.shelf.changed();
            match self.shelf.take() {
                Taken::Delivery(taken) => return Ok(self.delivery(*taken)),
                Taken::Closed => return Err(ConsumeError::Closed),
                Taken::Nothing => changed.await,
            }
        }
    }

    async fn ping(&self) -> Result<(), ConsumeError> {
        self.link.check().map_err(ConsumeError::Unavailable)
    }

    async fn close(&self) -> Result<(), ConsumeError> {
        for taken in self.shelf.close() {
            // What fails to go back is on its way back already, by the loss of the connection.
            let _ = give_back(&taken.acker).await;
        }
        tokio::select! {
            () = self.shelf.is_cancelled() => Ok(()),
            // The broker has taken everything back by itself, or has given nothing yet.
            () = self.link.is_not_up() => Ok(()),
            () = sleep(GIVE_BACK_TIMEOUT) => {
                Err(ConsumeError::Unavailable("the broker did not take the messages back in time".to_owned()))
            }
        }
    }
}

impl Drop for RabbitConsumer {
    fn drop(&mut self) {
        for taken in self.shelf.close() {
            settlement::give_back_soon(&taken.acker);
        }
    }
}
