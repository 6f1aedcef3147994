//! Settling a delivery.

use async_trait::async_trait;
use futures_util::FutureExt;
use lapin::{
    Acker, BasicProperties, Error,
    options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions},
    types::ShortString,
};
use tokio::time::sleep;

use crate::{
    queue::{Message, PublishError, SettleError, Settlement},
    rabbitmq::{
        courier::{Letter, Outbox},
        fault::Fault,
        pauses::before_the_next_letter,
        wire,
    },
};

/// Gives a message back that nobody has looked at, or that is not at fault. From RabbitMQ 4.3 on this does not count as
/// a failed attempt; before, every delivery does.
pub(super) async fn give_back(acker: &Acker) -> Result<bool, Error> {
    acker.nack(BasicNackOptions { requeue: true, multiple: false }).await
}

/// As [`give_back`], without waiting until it is on the wire.
pub(super) fn give_back_soon(acker: &Acker) {
    // lapin takes the command when the future is first polled.
    let _ = give_back(acker).now_or_never();
}

/// How one delivery is settled. Dropped unsettled it releases the message, or gives it back on its way to the dead letters.
pub(super) struct RabbitSettlement {
    /// `None` once the broker has been told.
    acker: Option<Acker>,
    /// On its way to the dead letters, where what holds it up is no fault of the message's.
    dying: bool,
    properties: BasicProperties,
    attempt: u32,
    outbox: Outbox,
    dead_letters: ShortString,
}

impl RabbitSettlement {
    pub(super) fn new(
        acker: Acker,
        properties: BasicProperties,
        attempt: u32,
        outbox: Outbox,
        dead_letters: ShortString,
    ) -> Self {
        Self { acker: Some(acker), dying: false, properties, attempt, outbox, dead_letters }
    }

    /// Publishes the dead letter, for as long as the delivery is ours. Given back meanwhile, the message would come
    /// again at once and fail again, and would be at its delivery limit before anybody has heard why.
    async fn publish_dead_letter(&mut self, message: &Message, why: &str) -> Result<(), SettleError> {
        self.dying = true;
        let mut failures = 0;
        loop {
            if self.acker.as_ref().is_some_and(Acker::poisoned) {
                return Err(SettleError::LeaseLost);
            }
            let properties = wire::dead_letter(&self.properties, self.attempt, why);
            let letter = Letter { to: self.dead_letters.clone(), properties, body: message.body.clone() };
            match self.outbox.send(letter).await {
                Ok(()) => return Ok(()),
                Err(PublishError::Rejected(reason)) => {
                    self.dying = false;
                    return Err(SettleError::Unavailable(reason));
                }
                Err(PublishError::Unavailable(reason)) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(
                            id = message.id,
                            reason,
                            "cannot dead-letter yet: keeping the delivery"
                        );
                    }
                    sleep(before_the_next_letter(failures)).await;
                }
            }
        }
    }
}

#[async_trait]
impl Settlement for RabbitSettlement {
    async fn ack(mut self: Box<Self>) -> Result<(), SettleError> {
        match self.acker.take() {
            Some(acker) => settled(acker.ack(BasicAckOptions::default()).await),
            None => Ok(()),
        }
    }

    async fn dead_letter(mut self: Box<Self>, message: &Message, reason: &str) -> Result<(), SettleError> {
        // Dropped on the way, the message comes again, and may be a dead letter besides.
        self.publish_dead_letter(message, reason).await?;
        self.ack().await
    }

    async fn release(mut self: Box<Self>) -> Result<(), SettleError> {
        match self.acker.take() {
            Some(acker) => settled(reject(&acker).await),
            None => Ok(()),
        }
    }

    async fn give_back(mut self: Box<Self>) -> Result<(), SettleError> {
        match self.acker.take() {
            Some(acker) => settled(give_back(&acker).await),
            None => Ok(()),
        }
    }

    fn abandon(self: Box<Self>) {
        drop(self);
    }
}

impl Drop for RabbitSettlement {
    fn drop(&mut self) {
        match self.acker.take() {
            Some(acker) if self.dying => give_back_soon(&acker),
            Some(acker) => drop(reject(&acker).now_or_never()),
            None => {}
        }
    }
}

/// Not `nack`, which from RabbitMQ 4.3 on does not count towards the delivery limit.
async fn reject(acker: &Acker) -> Result<bool, Error> {
    acker.reject(BasicRejectOptions { requeue: true }).await
}

fn settled(result: Result<bool, Error>) -> Result<(), SettleError> {
    match result {
        Ok(true) => Ok(()),
        Ok(false) => Err(SettleError::LeaseLost),
        Err(error) => Err(SettleError::Unavailable(Fault::from(&error).reason)),
    }
}
