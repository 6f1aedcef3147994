//! The port to a document store.

use async_trait::async_trait;

/// A greeting as it is stored: `_id`, a copy of `id`, and the five fields, flat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The greeting's UUID; stored as `id` and as `_id`.
    pub id: String,
    /// The service that greeted.
    pub service: String,
    /// What it said.
    pub message: String,
    /// When, in RFC 3339, UTC, with nanoseconds.
    pub created: String,
    /// The host it greeted from.
    pub hostname: String,
}

/// What an insert found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// The document was not there and is now.
    New,
    /// A document of this id was there and is unchanged.
    AlreadyThere,
}

/// Why the store did not do it. The text is for a log: short, and without credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot do it now; the same call may succeed later, and is safe to repeat.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store will never take this document.
    #[error("the store refused the document: {0}")]
    Rejected(String),
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Where a service keeps the greetings it was handed.
#[async_trait]
pub trait DocumentStore: Send + Sync {
    /// Stores `document` unless one of its id is there, and returns once it is durable, as the adapter's settings
    /// define it. While the store is known to be away the answer comes at once.
    ///
    /// Idempotent by id, so that a retry never makes a second document. A caller that stops waiting does not
    /// know whether the insert happened.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] may succeed later; [`StoreError::Rejected`] never will.
    async fn insert(&self, document: &Document) -> Result<Inserted, StoreError>;

    /// Whether the store can be reached now; readiness asks.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], with the reason.
    async fn ping(&self) -> Result<(), StoreError>;
}
