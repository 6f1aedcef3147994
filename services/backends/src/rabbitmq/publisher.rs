//! Publishing to the queue.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    outbox::{Outbox, Outgoing},
    settings::{Names, RabbitSettings},
    state::ConnectionState,
    supervisor::Supervisor,
    wire,
};
use crate::{
    open::OpenError,
    queue::{Message, PublishError, Publisher},
};

/// Publishes to a RabbitMQ queue, persistently and with confirms. Dropping it finishes what it has accepted.
///
/// When the broker accepts a message and its confirm is lost, the publisher's retry makes a second copy: consumers are
/// idempotent by id.
pub struct RabbitPublisher {
    outbox: Outbox,
    state: Arc<ConnectionState>,
    names: Names,
}

impl RabbitPublisher {
    /// Opens the queue, and connects in the background, whether or not the broker is available.
    ///
    /// Until the first attempt to connect is finished, `publish` waits for it, within the confirm timeout.
    ///
    /// # Errors
    /// See [`OpenError`]. A broker that is unavailable or refuses us is not an error: the publisher is then
    /// `Unavailable`.
    pub async fn open(settings: RabbitSettings) -> Result<Self, OpenError> {
        let names = settings.names()?;
        let (outbox, state) = Supervisor::start(&settings, names.clone(), "publisher", None).await?;
        Ok(Self { outbox, state, names })
    }
}

#[async_trait]
impl Publisher for RabbitPublisher {
    async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let properties = wire::properties(&message)?;
        let queue = self.names.queue.clone();
        Ok(self.outbox.send(Outgoing { queue, properties, body: message.body }).await?)
    }

    async fn ping(&self) -> Result<(), PublishError> {
        self.state.check().map_err(PublishError::Unavailable)
    }
}
