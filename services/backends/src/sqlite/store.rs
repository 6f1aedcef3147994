//! The document store: a table named after the collection, with a column per field.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{
    file::{DatabaseFile, quoted},
    settings::SqliteStoreSettings,
    writer::{Work, WriteError, Writer},
};
use crate::{
    open::OpenError,
    store::{Document, DocumentStore, Inserted, StoreError},
};

/// A collection in a SQLite file. Dropping it finishes the inserts it has accepted.
pub struct SqliteStore {
    insert: Arc<str>,
    writer: Writer<Insert>,
}

impl SqliteStore {
    /// Opens the collection, creates directory, file and table if they do not exist, and checks that the file can be
    /// written.
    ///
    /// # Errors
    /// See [`OpenError`]. A damaged or locked file and a full disk are not errors: the store opens, is `Unavailable`, and
    /// recovers with the file.
    pub async fn open(settings: SqliteStoreSettings) -> Result<Self, OpenError> {
        settings.check()?;
        let table = quoted(&settings.collection);
        let file = DatabaseFile {
            path: settings.path(),
            schema: format!(
                "CREATE TABLE IF NOT EXISTS {table} (\
                     _id TEXT PRIMARY KEY NOT NULL, id TEXT NOT NULL, service TEXT NOT NULL, \
                     message TEXT NOT NULL, created TEXT NOT NULL, hostname TEXT NOT NULL)"
            ),
            durability: settings.durability,
        };
        let insert = format!(
            "INSERT INTO {table} (_id, id, service, message, created, hostname) \
             VALUES (?1, ?1, ?2, ?3, ?4, ?5) ON CONFLICT (_id) DO NOTHING"
        );
        Ok(Self { insert: insert.into(), writer: Writer::open("sqlite-store", file).await? })
    }
}

#[async_trait]
impl DocumentStore for SqliteStore {
    async fn insert(&self, document: &Document) -> Result<Inserted, StoreError> {
        let insert = Insert { sql: Arc::clone(&self.insert), document: document.clone() };
        Ok(self.writer.write(insert).await?)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.writer.ping().await?)
    }
}

struct Insert {
    sql: Arc<str>,
    document: Document,
}

impl Work for Insert {
    type Done = Inserted;

    fn run(&self, connection: &Connection) -> rusqlite::Result<Inserted> {
        let Document { id, service, message, created, hostname } = &self.document;
        let rows = connection
            .prepare_cached(&self.sql)?
            .execute(params![id, service, message, created, hostname])?;
        Ok(if rows == 0 { Inserted::AlreadyThere } else { Inserted::New })
    }
}

impl From<WriteError> for StoreError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Unavailable(reason) => Self::Unavailable(reason),
            WriteError::Rejected(reason) => Self::Rejected(reason),
        }
    }
}
