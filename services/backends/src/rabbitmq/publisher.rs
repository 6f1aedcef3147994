//! Publishing to the queue.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    courier::{Letter, Outbox},
    link::Link,
    settings::{Names, RabbitSettings},
    supervisor::Supervisor,
    wire,
};
use crate::{
    open::OpenError,
    queue::{Message, PublishError, Publisher},
};

/// Publishes to a RabbitMQ queue, persistently and with confirms. Dropping it finishes what it has accepted.
///
/// A message that the broker takes and then loses the chance to confirm may be there twice: consumers are
/// idempotent by id.
pub struct RabbitPublisher {
    outbox: Outbox,
    link: Arc<Link>,
    names: Names,
}

impl RabbitPublisher {
    /// Opens the queue, and connects in the background: whether the broker is there does not matter.
    ///
    /// Until the first attempt to connect has ended, `publish` waits for it, within the confirm timeout.
    ///
    /// # Errors
    /// See [`OpenError`]. A broker that is away or refuses us is none: the publisher is then `Unavailable`.
    pub async fn open(settings: RabbitSettings) -> Result<Self, OpenError> {
        let names = settings.names()?;
        let (outbox, link) = Supervisor::start(&settings, names.clone(), "publisher", None).await?;
        Ok(Self { outbox, link, names })
    }
}

#[async_trait]
impl Publisher for RabbitPublisher {
    async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let properties = wire::properties(&message)?;
        self.outbox.send(Letter { to: self.names.queue.clone(), properties, body: message.body }).await
    }

    async fn ping(&self) -> Result<(), PublishError> {
        self.link.check().map_err(PublishError::Unavailable)
    }
}
