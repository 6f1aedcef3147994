//! Publishing: a row in `messages`, confirmed by its commit.

use async_trait::async_trait;
use rusqlite::{Connection, params, types::ToSqlOutput, types::ValueRef};

use super::{
    queue_tables,
    settings::SqliteQueueSettings,
    writer::{Work, WriteError, Writer},
};
use crate::{
    open::OpenError,
    queue::{Message, PublishError, Publisher},
};

/// Publishes to a SQLite queue. Dropping it finishes what it has accepted.
///
/// Idempotent by message id while the message is queued: publishing it again changes nothing, and another message with
/// its id becomes a dead letter. Once it is acked or dead-lettered, a late retry queues it again, which a consumer that
/// is idempotent by id absorbs.
pub struct SqlitePublisher {
    writer: Writer<Publish>,
}

impl SqlitePublisher {
    /// Opens the queue, creates directory, file and tables if they do not exist, and checks that the file can be
    /// written.
    ///
    /// # Errors
    /// See [`OpenError`]. A damaged or locked file and a full disk are not errors: the publisher opens, is
    /// `Unavailable`, and recovers with the file.
    pub async fn open(settings: SqliteQueueSettings) -> Result<Self, OpenError> {
        settings.check()?;
        Ok(Self { writer: Writer::open("sqlite-publish", queue_tables::queue_file(&settings)).await? })
    }
}

#[async_trait]
impl Publisher for SqlitePublisher {
    async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let headers = serde_json::to_string(&message.headers)
            .map_err(|error| PublishError::Rejected(error.to_string()))?;
        Ok(self.writer.write(Publish { id: message.id, headers, body: message.body }).await?)
    }

    async fn ping(&self) -> Result<(), PublishError> {
        Ok(self.writer.ping().await?)
    }
}

struct Publish {
    id: String,
    headers: String,
    body: Vec<u8>,
}

impl Work for Publish {
    type Done = ();

    fn run(&self, connection: &Connection) -> rusqlite::Result<()> {
        let values = params![self.id, queue_tables::now(), self.headers, readable(&self.body)];
        // Not OR IGNORE, which would also confirm rows that a constraint refuses.
        let insert = "INSERT INTO messages (id, published, headers, body) VALUES (?1, ?2, ?3, ?4) \
                      ON CONFLICT (id) DO NOTHING";
        if connection.prepare_cached(insert)?.execute(values)? == 0 {
            // A retry may have other headers, with another trace context. Another body makes another message.
            let dead_letter = "INSERT INTO dead_letters \
                 (id, published, dead_lettered, attempts, reason, headers, body) \
                 SELECT ?1, ?2, ?2, 0, 'a message with this id and other content is queued', ?3, ?4 \
                 WHERE NOT EXISTS (SELECT 1 FROM messages WHERE id = ?1 AND CAST(body AS BLOB) = CAST(?4 AS BLOB))";
            connection.prepare_cached(dead_letter)?.execute(values)?;
        }
        Ok(())
    }
}

/// A body that is text is stored as text, so that SQLite clients show it; the bytes are the same.
fn readable(body: &[u8]) -> ToSqlOutput<'_> {
    let value = if std::str::from_utf8(body).is_ok() { ValueRef::Text(body) } else { ValueRef::Blob(body) };
    ToSqlOutput::Borrowed(value)
}

impl From<WriteError> for PublishError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Unavailable(reason) => Self::Unavailable(reason),
            WriteError::Rejected(reason) => Self::Rejected(reason),
        }
    }
}
