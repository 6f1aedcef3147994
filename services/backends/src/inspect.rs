//! What the audit asks of a store and a queue.
//!
//! Inspection changes nothing and loses nothing (RabbitMQ's dead letters are taken and given back), works from another process, and works when the
//! services are dead. Memory is bounded by the caller, who asks about ids in batches.

use std::time::SystemTime;

use async_trait::async_trait;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// The store or queue does not exist: nothing has ever opened it, or, where the first write makes it, nothing
    /// was ever written.
    #[error("there is no {0}")]
    Absent(String),
    /// It cannot be read now.
    #[error("cannot be read: {0}")]
    Unavailable(String),
}

/// Looks into one document collection.
#[async_trait]
pub trait StoreInspect: Send + Sync {
    /// How many documents there are.
    ///
    /// # Errors
    /// See [`InspectError`].
    async fn count(&self) -> Result<u64, InspectError>;

    /// Those of `ids` that no document has, in their order. Ask in batches of some thousands.
    ///
    /// # Errors
    /// See [`InspectError`].
    async fn missing(&self, ids: &[String]) -> Result<Vec<String>, InspectError>;
}

/// How many messages a queue holds, and what it went through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// Waiting for a consumer.
    pub ready: u64,
    /// With a consumer, and not settled; 0 where the broker does not tell (RabbitMQ).
    pub leased: u64,
    /// Given up.
    pub dead_lettered: u64,
    /// Deliveries that were not a message's first, since the queue was made; 0 where the broker does not tell
    /// (RabbitMQ).
    pub redelivered: u64,
}

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The message's id.
    pub id: String,
    /// Why it was given up.
    pub reason: String,
    /// How often it had been delivered; 0 where the broker does not tell.
    pub attempts: u32,
    /// When it was given up, where the broker tells.
    pub at: Option<SystemTime>,
}

/// Which messages have not reached their end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    /// Ids of messages on the queue, ready or leased. Empty for a broker that cannot be read without taking.
    pub queued: Vec<String>,
    /// Ids of messages among the dead letters.
    pub dead_lettered: Vec<String>,
}

/// How much of a queue can be seen without taking from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Every message, with a consumer or not.
    Everything,
    /// How many wait, and the dead letters; not which messages wait, and nothing of those with a consumer.
    DeadLetters,
}

/// Looks into one queue and its dead letters.
#[async_trait]
pub trait QueueInspect: Send + Sync {
    /// How much of the queue this broker shows. Where it is not everything, a message that is nowhere to be seen
    /// may still be on its way.
    fn sight(&self) -> Sight;

    /// Its counts, all of one moment where the broker allows that.
    ///
    /// # Errors
    /// See [`InspectError`].
    async fn depth(&self) -> Result<QueueDepth, InspectError>;

    /// When the message that has waited longest was published; nothing where none waits, or where the broker does
    /// not tell (RabbitMQ).
    ///
    /// # Errors
    /// See [`InspectError`].
    async fn oldest_ready(&self) -> Result<Option<SystemTime>, InspectError> {
        Ok(None)
    }

    /// The newest dead letters, newest first, at most `limit`.
    ///
    /// # Errors
    /// See [`InspectError`].
    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, InspectError>;

    /// Which of `ids` are still queued or dead-lettered, in their order. Ask in batches of some thousands.
    ///
    /// # Errors
    /// See [`InspectError`].
    async fn pending(&self, ids: &[String]) -> Result<Pending, InspectError>;
}
