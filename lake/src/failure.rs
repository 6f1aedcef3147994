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
    /// The address of the lake.
    #[error("{address}: {reason}")]
    Address {
        /// As it was given.
        address: String,
        /// What is allowed.
        reason: String,
    },
    /// S3.
    #[error("S3: {0}")]
    Store(#[from] object_store::Error),
    /// Another process has taken the topic over: this one must not write any more.
    #[error("another process has taken over the topic {0}")]
    Fenced(String),
    /// An object that this topic did not write.
    #[error("the object {0} exists already, and no earlier run of this topic wrote it")]
    Exists(String),
    /// An object's name that the lake cannot have.
    #[error(
        "the object name {0:?} has an empty part, `.`, `..`, a control character, or more than 1024 bytes"
    )]
    Key(String),
    /// A column's type changed to one that does not hold all values of the old one.
    #[error(
        "the topic {topic}: the column {column} was {was} and is now {now}, which does not hold all values"
    )]
    Column {
        /// The topic.
        topic: String,
        /// The column.
        column: String,
        /// Its type in the lake.
        was: String,
        /// Its type in the source.
        now: String,
    },
    /// Rows that Arrow cannot convert.
    #[error("{0}")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// A Parquet file.
    #[error("Parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Objects may not be deleted, so that a crash would leave rows twice.
    #[error("{0} may not delete objects: allow s3:DeleteObject, or accept duplicates with on.crash=keep")]
    NoDelete(String),
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
            Self::Unavailable(_) => true,
            Self::Directory(error) => error.kind() != io::ErrorKind::PermissionDenied,
            Self::Store(error) => is_passing_in_store(error),
            Self::Refused(_)
            | Self::Row(_)
            | Self::State(_)
            | Self::Busy(_)
            | Self::Address { .. }
            | Self::Fenced(_)
            | Self::Exists(_)
            | Self::Key(_)
            | Self::Column { .. }
            | Self::Arrow(_)
            | Self::Parquet(_)
            | Self::NoDelete(_) => false,
        }
    }
}

/// Classes of SQLSTATE that pass: connection, resources, intervention, system, rollback of a transaction.
fn is_passing(code: &SqlState) -> bool {
    let classes = ["08", "40", "53", "55", "57", "58"];
    classes.iter().any(|class| code.code().starts_with(class))
}

/// Not so: what S3 will answer again until somebody changes the bucket, the credentials or the configuration.
fn is_passing_in_store(error: &object_store::Error) -> bool {
    use object_store::Error;
    !matches!(
        error,
        Error::NotFound { .. }
            | Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::InvalidPath { .. }
            | Error::NotSupported { .. }
            | Error::UnknownConfigurationKey { .. }
    )
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
