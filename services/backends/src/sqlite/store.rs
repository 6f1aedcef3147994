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
    statements: Arc<Statements>,
    writer: Writer<Insert>,
}

/// The statements for the collection's table.
struct Statements {
    insert: String,
    /// Finds a document with the same content.
    find: String,
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
        let statements = Statements {
            insert: format!(
                "INSERT INTO {table} (_id, id, service, message, created, hostname) \
                 VALUES (?1, ?1, ?2, ?3, ?4, ?5) ON CONFLICT (_id) DO NOTHING"
            ),
            find: format!(
                "SELECT 1 FROM {table} WHERE _id = ?1 AND id = ?1 AND service = ?2 AND message = ?3 \
                 AND created = ?4 AND hostname = ?5"
            ),
        };
        Ok(Self { statements: Arc::new(statements), writer: Writer::open("sqlite-store", file).await? })
    }
}

#[async_trait]
impl DocumentStore for SqliteStore {
    async fn insert(&self, document: &Document) -> Result<Inserted, StoreError> {
        let insert = Insert { statements: Arc::clone(&self.statements), document: document.clone() };
        self.writer.write(insert).await?.ok_or(StoreError::OtherContent)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.writer.ping().await?)
    }
}

struct Insert {
    statements: Arc<Statements>,
    document: Document,
}

impl Work for Insert {
    /// `None` when a document with the same id and other content exists.
    type Done = Option<Inserted>;

    fn run(&self, connection: &Connection) -> rusqlite::Result<Option<Inserted>> {
        let Document { id, service, message, created, hostname } = &self.document;
        let values = params![id, service, message, created, hostname];
        if connection.prepare_cached(&self.statements.insert)?.execute(values)? > 0 {
            return Ok(Some(Inserted::New));
        }
        let is_same = connection.prepare_cached(&self.statements.find)?.exists(values)?;
        Ok(is_same.then_some(Inserted::AlreadyThere))
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
