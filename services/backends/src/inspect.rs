//! The ports through which the audit inspects a store and a queue.
//!
//! Inspection changes nothing (RabbitMQ's dead letters are taken and given back), and works from any process, whether or
//! not the services run. The caller bounds the memory by passing ids in batches.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher},
    time::SystemTime,
};

use async_trait::async_trait;

/// Why an inspection failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// The store or queue does not exist: it was never opened, or, where the first write creates it, never written.
    #[error("there is no {0}")]
    Absent(String),
    /// It cannot be read now.
    #[error("cannot be read: {0}")]
    Unavailable(String),
}

/// Inspects one document collection.
#[async_trait]
pub trait StoreInspect: Send + Sync {
    /// The number of documents.
    ///
    /// # Errors
    /// See [`InspectError`].
    async fn count(&self) -> Result<u64, InspectError>;

    /// The `ids` that no document has, in their order. Pass a few thousand at a time.
    ///
    /// # Errors
    /// See [`InspectError`].
    async fn missing(&self, ids: &[String]) -> Result<Vec<String>, InspectError>;

    /// The documents among `ids`, each with hashes of its fields. Pass a few thousand at a time.
    ///
    /// # Errors
    /// See [`InspectError`].
    async fn fingerprints(&self, ids: &[String]) -> Result<HashMap<String, Fingerprint>, InspectError>;
}

/// A hash of each of a document's [fields](Self::FIELDS): enough to compare documents of any size in little memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u64; 4]);

impl Fingerprint {
    /// The fields, in the order of [`of`](Self::of).
    pub const FIELDS: [&str; 4] = ["service", "message", "created", "hostname"];

    /// The fingerprint of these fields; `None` for an unknown one.
    pub fn of(fields: [Option<&[u8]>; 4]) -> Self {
        Self(fields.map(|field| {
            field.map_or(Self::UNKNOWN, |field| {
                let mut hasher = DefaultHasher::new();
                hasher.write(field);
                hasher.finish().max(Self::UNKNOWN + 1)
            })
        }))
    }

    /// The first field that both know and that differs.
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        let fields = Self::FIELDS.into_iter().zip(self.0.into_iter().zip(other.0));
        let mut known = fields.filter(|(_, (one, other))| ![one, other].contains(&&Self::UNKNOWN));
        known.find(|(_, (one, other))| one != other).map(|(field, _)| field)
    }

    /// The hashes, to be stored; equal only to those of the same build.
    pub fn to_words(self) -> [u64; 4] {
        self.0
    }

    /// The fingerprint of [`to_words`](Self::to_words).
    pub fn from_words(words: [u64; 4]) -> Self {
        Self(words)
    }

    const UNKNOWN: u64 = 0;
}

/// Counts of a queue's messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// Waiting for a consumer.
    pub ready: u64,
    /// Held by a consumer; 0 where the broker does not report that (RabbitMQ).
    pub leased: u64,
    /// Dead-lettered.
    pub dead_lettered: u64,
    /// Deliveries that were not a message's first, since the queue was created; 0 where the broker does not report that
    /// (RabbitMQ).
    pub redelivered: u64,
}

/// A dead-lettered message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The message's id.
    pub id: String,
    /// Why it was dead-lettered.
    pub reason: String,
    /// How often it had been delivered; 0 where the broker does not report that.
    pub attempts: u32,
    /// When it was dead-lettered, if the broker reports that.
    pub at: Option<SystemTime>,
}

/// The messages that are not consumed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    /// Ids of messages on the queue, ready or leased. Empty for a broker that cannot be read without taking.
    pub queued: Vec<String>,
    /// Ids of messages among the dead letters.
    pub dead_lettered: Vec<String>,
}

/// How much of a queue can be seen without taking messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Every message, held by a consumer or not.
    Everything,
    /// How many messages wait, and the dead letters. The waiting messages' ids, and messages that consumers hold, cannot
    /// be seen.
    DeadLetters,
}

/// Inspects one queue and its dead letters.
#[async_trait]
pub trait QueueInspect: Send + Sync {
    /// How much of the queue this broker shows. Where that is not everything, a message that cannot be seen may still be
    /// in the queue.
    fn sight(&self) -> Sight;

    /// The queue's counts, all of one moment where the broker supports that.
    ///
    /// # Errors
    /// See [`InspectError`].
    async fn depth(&self) -> Result<QueueDepth, InspectError>;

    /// When the oldest waiting message was published; `None` if no message waits, or if the broker does not report that
    /// (RabbitMQ).
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

    /// The `ids` that are queued or dead-lettered, in their order. Pass a few thousand at a time.
    ///
    /// # Errors
    /// See [`InspectError`].
    async fn pending(&self, ids: &[String]) -> Result<Pending, InspectError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_differ_in_the_first_known_field_that_differs() {
        let of = |fields: [&str; 4]| Fingerprint::of(fields.map(|field| Some(field.as_bytes())));
        let document = of(["service-a", "Hello", "2026", "host"]);
        assert_eq!(document.difference(&of(["service-a", "Hello", "2026", "host"])), None);
        assert_eq!(document.difference(&of(["service-a", "Hallo", "2027", "host"])), Some("message"));
        assert_eq!(document.difference(&of(["service-a", "Hello", "2026", ""])), Some("hostname"));
        let partial = Fingerprint::of([Some(b"service-b"), None, None, None]);
        assert_eq!(document.difference(&partial), Some("service"));
        assert_eq!(document.difference(&Fingerprint::of([None; 4])), None);
        assert_eq!(Fingerprint::from_words(document.to_words()), document);
    }
}
