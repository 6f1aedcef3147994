//! Why the lake's work failed.

use std::io;

/// A failure of the lake. The position is unmoved, so the same work may be tried again.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The database, or the connection to it.
    #[error("PostgreSQL: {0}")]
    Database(#[from] tokio_postgres::Error),
    /// The directory.
    #[error("the lake's directory: {0}")]
    Directory(#[from] io::Error),
    /// The state file is damaged.
    #[error("the state file: {0}")]
    State(#[from] serde_json::Error),
    /// Another process writes this topic.
    #[error("another process writes the topic {0}")]
    Busy(String),
}
