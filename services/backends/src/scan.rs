//! The port through which all documents of a collection are read in order, to copy them elsewhere.

use async_trait::async_trait;

use crate::{inspect::InspectError, store::Document};

/// Where reading continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanPosition {
    /// The number of the row; 0 where rows have no numbers.
    pub row: i64,
    /// The id of the document.
    pub id: String,
}

/// A document, and the position after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// The document.
    pub document: Document,
    /// Where the next one is found.
    pub position: ScanPosition,
}

/// The order of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanOrder {
    /// As they were inserted: none can appear before one that was read.
    Insertion,
    /// By id. Ids contain the time of the greeting, but documents may be inserted later, and so appear before others that
    /// were read.
    Id,
}

/// Reads all documents of one collection.
#[async_trait]
pub trait StoreScan: Send + Sync {
    /// The order in which [`after`](Self::after) returns documents.
    fn order(&self) -> ScanOrder;

    /// Up to `limit` documents after a position; the first ones without it.
    ///
    /// # Errors
    /// [`InspectError::Absent`] also where the document of the position is not there any more, in the order of insertion.
    async fn after(&self, position: Option<&ScanPosition>, limit: u32) -> Result<Vec<Scanned>, InspectError>;
}
