//! The ports to a queue: at least once, oldest first, settled one by one.

mod delivery;

use async_trait::async_trait;

pub use delivery::{Delivery, SettleError, Settlement};

/// What travels through the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Names the message for the publisher's retries and for the audit; a UUID. Empty for a message that another
    /// program published without one.
    pub id: String,
    /// Name and value pairs: the trace context. May be empty. Values of one name keep their order; a broker may sort
    /// the names (RabbitMQ does).
    pub headers: Vec<(String, String)>,
    /// The payload.
    pub body: Vec<u8>,
}

/// Why a message was not published, or the publisher cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The broker did not confirm. It may have taken the message all the same; publishing it again is safe.
    #[error("the queue is unavailable: {0}")]
    Unavailable(String),
    /// The broker will never take this message.
    #[error("the queue refused the message: {0}")]
    Rejected(String),
}

impl PublishError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Why no delivery comes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsumeError {
    /// The broker cannot be reached now. The adapter reconnects by itself, and paces that.
    #[error("the queue is unavailable: {0}")]
    Unavailable(String),
    /// The consumer was closed; nothing will come any more.
    #[error("the consumer is closed")]
    Closed,
}

/// Puts messages on a queue.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Publishes `message`, and returns once the broker has confirmed that it will not lose it.
    ///
    /// A message of the same id that is still queued makes this a success that changes nothing, where the
    /// adapter can see that (SQLite does, RabbitMQ does not): consumers are idempotent by id in any case.
    ///
    /// # Errors
    /// [`PublishError::Unavailable`] may succeed later; [`PublishError::Rejected`] never will.
    async fn publish(&self, message: Message) -> Result<(), PublishError>;

    /// Whether the broker can be reached now; readiness asks.
    ///
    /// # Errors
    /// [`PublishError::Unavailable`], with the reason.
    async fn ping(&self) -> Result<(), PublishError>;
}

/// Takes messages from a queue.
///
/// Up to the adapter's prefetch limit, deliveries may be outstanding at once, and they are settled in any
/// order, concurrently, from any task. Dropping the consumer does what [`close`](Consumer::close) does,
/// without waiting for it.
#[async_trait]
pub trait Consumer: Send + Sync {
    /// Waits for the next message, through outages too. Safe to cancel: no message is lost on the way.
    ///
    /// # Errors
    /// [`ConsumeError::Closed`] once the consumer is closed. [`ConsumeError::Unavailable`] where an adapter
    /// gives up waiting; it has paced itself by then, so the caller may simply ask again.
    async fn next(&self) -> Result<Delivery, ConsumeError>;

    /// Whether the broker can be reached now; readiness asks.
    ///
    /// # Errors
    /// [`ConsumeError::Unavailable`], with the reason.
    async fn ping(&self) -> Result<(), ConsumeError>;

    /// Stops taking, and gives back what was prefetched and not handed out, so that another process gets it
    /// at once. Deliveries that were handed out stay valid and are settled as before. Closing again is a
    /// success.
    ///
    /// # Errors
    /// [`ConsumeError::Unavailable`] when the messages could not be given back now; they then come back by
    /// themselves, as after a crash.
    async fn close(&self) -> Result<(), ConsumeError>;
}
