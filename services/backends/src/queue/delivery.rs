//! One message, which one consumer holds until it is settled.

use std::{fmt, time::SystemTime};

use async_trait::async_trait;

use super::Message;

/// Why a delivery could not be settled. Either way the message is redelivered, never lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// The broker took the delivery back, and another consumer may have it. Nothing was changed.
    #[error("the delivery was taken back before it was settled")]
    LeaseLost,
    /// The broker is unavailable; the message is delivered again.
    #[error("the queue is unavailable: {0}")]
    Unavailable(String),
}

/// An adapter's side of a [`Delivery`]: how to settle it, once.
///
/// If a future of these methods is dropped early, the message is either settled or redelivered.
#[async_trait]
pub trait Settlement: Send + Sync {
    /// Takes the message off the queue.
    async fn ack(self: Box<Self>) -> Result<(), SettleError>;
    /// Moves `message` to the dead letters, with its headers, its body and `reason`. Waits for them as long as the
    /// delivery is not lost.
    async fn dead_letter(self: Box<Self>, message: &Message, reason: &str) -> Result<(), SettleError>;
    /// Gives the message back, to be delivered again.
    async fn release(self: Box<Self>) -> Result<(), SettleError>;
    /// Gives the message back without counting the attempt, where the broker can do that.
    async fn give_back(self: Box<Self>) -> Result<(), SettleError>;
    /// Releases the message without waiting, because the delivery was dropped.
    fn abandon(self: Box<Self>);
}

/// A message for this process to handle.
///
/// Settle it by [`ack`](Self::ack), [`dead_letter`](Self::dead_letter), [`release`](Self::release) or
/// [`give_back`](Self::give_back). A delivery that is dropped unsettled, as by a task that panicked or was cancelled, is
/// released.
#[must_use = "a delivery that is dropped is delivered again"]
pub struct Delivery {
    message: Message,
    attempt: u32,
    published: Option<SystemTime>,
    /// `None` once settled.
    settlement: Option<Box<dyn Settlement>>,
}

impl Delivery {
    /// For adapters: a delivery of `message` that `settlement` settles.
    pub fn new(
        message: Message,
        attempt: u32,
        published: Option<SystemTime>,
        settlement: Box<dyn Settlement>,
    ) -> Self {
        Self { message, attempt, published, settlement: Some(settlement) }
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// How often the message has been delivered, this time included: 1 at first.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When it was published, if the broker reports that.
    pub fn published(&self) -> Option<SystemTime> {
        self.published
    }

    /// Takes the message off the queue.
    ///
    /// # Errors
    /// See [`SettleError`]; the message is then delivered again.
    pub async fn ack(mut self) -> Result<(), SettleError> {
        match self.settlement.take() {
            Some(settlement) => settlement.ack().await,
            None => Ok(()),
        }
    }

    /// Moves the message to the dead letters, with its headers, its body and `reason`.
    ///
    /// Where the dead letters may be unavailable or full while the queue is not, as in RabbitMQ, this keeps the delivery
    /// and tries again, at growing intervals. Dropping the future gives the message back, unless it is settled by then.
    ///
    /// # Errors
    /// See [`SettleError`]; the message is then delivered again.
    pub async fn dead_letter(mut self, reason: &str) -> Result<(), SettleError> {
        match self.settlement.take() {
            Some(settlement) => settlement.dead_letter(&self.message, reason).await,
            None => Ok(()),
        }
    }

    /// Gives the message back, to be delivered again at once, to this consumer or another; the attempt
    /// counts towards the delivery limit. A handler that cannot work now should wait and keep the delivery.
    ///
    /// # Errors
    /// See [`SettleError`]; the message is delivered again in any case.
    pub async fn release(mut self) -> Result<(), SettleError> {
        match self.settlement.take() {
            Some(settlement) => settlement.release().await,
            None => Ok(()),
        }
    }

    /// Gives the message back, to be delivered again at once, to this consumer or another, for a handler that stops
    /// although nothing is wrong with the message. Close the consumer first, or it may get the message again.
    ///
    /// The attempt does not count towards the delivery limit, except on RabbitMQ before 4.3, which counts every
    /// delivery.
    ///
    /// # Errors
    /// See [`SettleError`]; the message is delivered again in any case.
    pub async fn give_back(mut self) -> Result<(), SettleError> {
        match self.settlement.take() {
            Some(settlement) => settlement.give_back().await,
            None => Ok(()),
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(settlement) = self.settlement.take() {
            settlement.abandon();
        }
    }
}

impl fmt::Debug for Delivery {
    /// Without headers and body, which may be long or confidential.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Delivery")
            .field("id", &self.message.id)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
