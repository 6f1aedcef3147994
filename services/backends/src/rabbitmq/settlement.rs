//! Settling a delivery.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::FutureExt;
use lapin::{
    Acker, BasicProperties, Error,
    options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions},
};
use tokio::time::sleep;

use super::{dead_letters::DeadLetters, fault::Fault, outbox::Refusal, wire};
use crate::{
    backoff::Backoff,
    queue::{Message, SettleError, Settlement},
};

/// Between attempts to publish a dead letter.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(50), max: Duration::from_secs(2) };

/// Gives back a message that no caller has seen, or that is not at fault. From RabbitMQ 4.3 on this does not count as
/// a failed attempt; before, every delivery does.
pub(super) async fn give_back(acker: &Acker) -> Result<bool, Error> {
    acker.nack(BasicNackOptions { requeue: true, multiple: false }).await
}

/// As [`give_back`], without waiting until it is sent.
pub(super) fn give_back_soon(acker: &Acker) {
    // lapin takes the command when the future is first polled.
    let _ = give_back(acker).now_or_never();
}

/// Settles one delivery. Dropped unsettled, it releases the message, or gives it back if it waits for the dead letters.
pub(super) struct RabbitSettlement {
    /// `None` once settled.
    acker: Option<Acker>,
    /// Whether the message waits for the dead letters: a delay there is not the message's fault.
    dead_lettering: bool,
    properties: BasicProperties,
    attempt: u32,
    dead_letters: Arc<DeadLetters>,
}

impl RabbitSettlement {
    pub(super) fn new(
        acker: Acker,
        properties: BasicProperties,
        attempt: u32,
        dead_letters: Arc<DeadLetters>,
    ) -> Self {
        Self { acker: Some(acker), dead_lettering: false, properties, attempt, dead_letters }
    }

    async fn reject(&mut self, requeue: bool) -> Result<(), SettleError> {
        match self.acker.take() {
            Some(acker) => settled(reject(&acker, requeue).await),
            None => Ok(()),
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
        let dead_letters = Arc::clone(&self.dead_letters);
        self.dead_lettering = true;
        let mut failures = 0;
        let mut room = None;
        loop {
            if self.acker.as_ref().is_some_and(Acker::poisoned) {
                return Err(SettleError::LeaseLost);
            }
            let properties = wire::dead_letter(&self.properties, self.attempt, reason);
            let id = &message.id;
            let why = match dead_letters.publish(properties, message.body.clone()).await {
                // Dropped before the ack, the message is delivered again and is also a dead letter.
                Ok(()) => return self.ack().await,
                Err(Refusal::Rejected(why)) => {
                    self.dead_lettering = false;
                    return Err(SettleError::Unavailable(why));
                }
                Err(Refusal::Full(why)) => {
                    room = room.or_else(|| dead_letters.room());
                    if room.is_none() {
                        tracing::warn!(
                            id,
                            reason,
                            why,
                            "cannot dead-letter: leaving the message to the broker"
                        );
                        return self.reject(false).await;
                    }
                    why
                }
                Err(Refusal::Unavailable(why)) => why,
            };
            failures += 1;
            if failures == 1 {
                tracing::warn!(id, why, "cannot dead-letter yet: keeping the delivery");
            }
            // Given back instead, the message would be delivered and fail again at once, and reach its delivery limit
            // without its reason.
            sleep(BACKOFF.after(failures)).await;
        }
    }

    async fn release(mut self: Box<Self>) -> Result<(), SettleError> {
        self.reject(true).await
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
            Some(acker) if self.dead_lettering => give_back_soon(&acker),
            Some(acker) => drop(reject(&acker, true).now_or_never()),
            None => {}
        }
    }
}

/// Not `nack`, which from RabbitMQ 4.3 on does not count towards the delivery limit.
async fn reject(acker: &Acker, requeue: bool) -> Result<bool, Error> {
    acker.reject(BasicRejectOptions { requeue }).await
}

fn settled(result: Result<bool, Error>) -> Result<(), SettleError> {
    match result {
        Ok(true) => Ok(()),
        Ok(false) => Err(SettleError::LeaseLost),
        Err(error) => Err(SettleError::Unavailable(Fault::from(error).reason)),
    }
}
