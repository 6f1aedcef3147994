//! Why the lake's work failed.

use std::{error::Error as _, io};

use tokio_postgres::error::SqlState;

/// A row that cannot be converted or written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BadRow {
    /// Its timestamp and key, or its columns, as far as they are known.
    pub row: String,
    /// The column.
    pub column: String,
    /// Why it cannot be converted.
    pub reason: String,
}

/// A failure of the lake. The position is unmoved, so the same work may be tried again.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The database, or the connection to it.
    #[error("PostgreSQL: {}", with_causes(.0))]
    Database(#[from] tokio_postgres::Error),
    /// The source cannot be read now.
    #[error("{0}")]
    Unavailable(String),
    /// The topic cannot be copied until its table, its data or the configuration changes.
    #[error("{0}")]
    Refused(String),
    /// A row cannot be converted.
    #[error("row {}: column {}: {}", .0.row, .0.column, .0.reason)]
    Row(BadRow),
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

impl LakeError {
    /// Whether the same work may succeed later, without a change of data or configuration.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Database(error) => match error.code() {
                Some(code) => is_passing(code),
                // Without a code the server did not answer.
                None => true,
            },
            Self::Unavailable(_) | Self::Directory(_) => true,
            Self::Refused(_) | Self::Row(_) | Self::State(_) | Self::Busy(_) => false,
        }
    }
}

/// Classes of SQLSTATE that pass: connection, resources, intervention, system, rollback of a transaction.
fn is_passing(code: &SqlState) -> bool {
    let classes = ["08", "40", "53", "55", "57", "58"];
    classes.iter().any(|class| code.code().starts_with(class))
}

fn with_causes(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text.push_str(": ");
            text.push_str(&reason);
        }
        cause = error.source();
    }
    text
}
