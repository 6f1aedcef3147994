//! Rows on their way from a source to a sink.

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

/// Where a source continues. Its content is the source's own; the sink stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub serde_json::Value);

/// In the metadata of rows' schema: the name of the run of the mode `bulk` that read them.
pub(crate) const RUN: &str = "octet.run";

/// Rows in the order of the source.
#[derive(Debug, Clone)]
pub struct Page {
    /// The rows.
    pub rows: RecordBatch,
    /// One for each row: the position after it, or `None` where a commit must not end, because a position cannot express it.
    pub ends: Vec<Option<Position>>,
}
