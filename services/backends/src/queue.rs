//! The ports to a queue: delivery at least once, oldest first, with each message settled on its own.

mod delivery;

use async_trait::async_trait;

pub use delivery::{Delivery, SettleError, Settlement};

/// A message of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Identifies the message for the publisher's retries and the audit; a UUID. Empty for a message that another
    /// program published without an id.
    pub id: String,
    /// Name and value pairs: the trace context. May be empty. Values of one name keep their order; a broker may sort
    /// the names (RabbitMQ does).
    pub headers: Vec<(String, String)>,
    /// The payload.
    pub body: Vec<u8>,
}

/// Why a message was not published, or the publisher does not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The broker did not confirm. It may still have accepted the message; publishing it again is safe.
    #[error("the queue is unavailable: {0}")]
    Unavailable(String),
    /// The broker will never accept this message.
    #[error("the queue refused the message: {0}")]
    Rejected(String),
}

impl PublishError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Why there is no delivery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsumeError {
    /// The broker is unavailable. The adapter reconnects by itself.
    #[error("the queue is unavailable: {0}")]
    Unavailable(String),
    /// The consumer was closed.
    #[error("the consumer is closed")]
    Closed,
}

/// Puts messages on a queue.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Publishes `message`, and returns once the broker has confirmed that it will not lose it.
    ///
    /// If the same message is still queued, this is a success that changes nothing, where the adapter can detect that
    /// (SQLite does, RabbitMQ does not): consumers are idempotent by id. A message with the same id and other content is
    /// queued or dead-lettered.
    ///
    /// # Errors
    /// [`PublishError::Unavailable`] may succeed later; [`PublishError::Rejected`] never will.
    async fn publish(&self, message: Message) -> Result<(), PublishError>;

    /// Checks that the queue works now, for readiness.
    ///
    /// # Errors
    /// [`PublishError::Unavailable`], with the reason.
    async fn ping(&self) -> Result<(), PublishError>;
}

/// Takes messages from a queue.
///
/// Several deliveries may be outstanding at once, up to the adapter's prefetch limit. They may be settled in any order,
/// concurrently, from any task. Dropping the consumer does what [`close`](Consumer::close) does, without waiting.
#[async_trait]
pub trait Consumer: Send + Sync {
    /// Waits for the next message, also during outages. Safe to cancel: no message is lost.
    ///
    /// # Errors
    /// [`ConsumeError::Closed`] once the consumer is closed. [`ConsumeError::Unavailable`] where an adapter stops waiting;
    /// the caller may call again at once, because the adapter paces its attempts.
    async fn next(&self) -> Result<Delivery, ConsumeError>;

    /// Checks that the queue works now, for readiness.
    ///
    /// # Errors
    /// [`ConsumeError::Unavailable`], with the reason.
    async fn ping(&self) -> Result<(), ConsumeError>;

    /// Stops taking messages, and gives back messages that were not handed out, so that another process gets them at once.
    /// Deliveries that were handed out stay valid. Closing again is a success.
    ///
    /// # Errors
    /// [`ConsumeError::Unavailable`] when the messages could not be given back now; they return to the queue as after a
    /// crash.
    async fn close(&self) -> Result<(), ConsumeError>;
}
