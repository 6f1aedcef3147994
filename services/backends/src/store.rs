//! The port to a document store.

use async_trait::async_trait;

/// A greeting as it is stored: `_id`, a copy of `id`, and the five fields, flat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The greeting's UUID; stored as `id` and as `_id`.
    pub id: String,
    /// The service that greeted.
    pub service: String,
    /// The greeting's text.
    pub message: String,
    /// When it was created, in RFC 3339, UTC, with nanoseconds.
    pub created: String,
    /// The host of the service.
    pub hostname: String,
}

/// The result of an insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// The document was stored.
    New,
    /// The same document exists already.
    AlreadyThere,
}

/// Why the store failed. The text is short and contains no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot do this now; the call may succeed later, and is safe to repeat.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store will never accept this document.
    #[error("the store refused the document: {0}")]
    Rejected(String),
    /// A document with the same id and other content exists.
    #[error("a document with this id and other content exists")]
    OtherContent,
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
    /// Stores `document`, and returns once it is durable, as the adapter's settings define that. Fails at once while the
    /// store is known to be unavailable.
    ///
    /// A retry makes no second document, and is a success. When a caller stops waiting, the document may or may not be
    /// stored.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] may succeed later; the others never will.
    async fn insert(&self, document: &Document) -> Result<Inserted, StoreError>;

    /// Checks that the store works now, for readiness.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], with the reason.
    async fn ping(&self) -> Result<(), StoreError>;
}
