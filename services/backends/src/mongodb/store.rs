//! The document store: a collection, a document a greeting.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use mongodb::bson::{RawDocumentBuf, doc, rawdoc};
use tokio::time;

use super::{connection::Connection, failure::Unavailable, settings::MongoSettings, writer::Writer};
use crate::OpenError;
use crate::store::{Document, DocumentStore, Inserted, StoreError};

/// The protocol's limit, in `MongoDB` and in `DocumentDB`.
const LARGEST_DOCUMENT: usize = 16 * 1024 * 1024;

/// A ping that has no answer by then is a failure. Shorter than what probes wait.
const PING_LIMIT: Duration = Duration::from_secs(1);

/// A collection in `MongoDB`. Dropping it finishes the inserts it has accepted.
pub struct MongoStore {
    connection: Arc<Connection>,
    writer: Writer,
}

impl MongoStore {
    /// Opens the collection and begins to look for its servers, without waiting for one. Database and collection
    /// are made by the first insert.
    ///
    /// The first calls wait until a server was seen or found to be away, 2 s at most. Call it on the runtime
    /// that will use the store.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(settings: MongoSettings) -> Result<Self, OpenError> {
        let connection = Arc::new(Connection::open(settings).await?);
        let writer = Writer::start(Arc::clone(&connection));
        Ok(Self { connection, writer })
    }
}

#[async_trait]
impl DocumentStore for MongoStore {
    async fn insert(&self, document: &Document) -> Result<Inserted, StoreError> {
        let stored = stored(document);
        let bytes = stored.as_bytes().len();
        if bytes > LARGEST_DOCUMENT {
            return Err(StoreError::Rejected(format!("it has {bytes} bytes, and MongoDB takes 16 MiB")));
        }
        self.writer.insert(document.id.clone(), stored).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.connection.health().may_pass()?;
        match time::timeout(PING_LIMIT, ping(&self.connection)).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(self.connection.unavailable(&format!("no answer within {PING_LIMIT:?}")).into()),
        }
    }
}

/// Asks the server that would take the write, over a connection that has logged in.
async fn ping(connection: &Connection) -> Result<(), Unavailable> {
    let database = connection.collection().await?.client().database(&connection.settings().database);
    match database.run_command(doc! { "ping": 1 }).await {
        Ok(_) => {
            connection.health().answered();
            Ok(())
        }
        Err(error) => Err(connection.failed(&error)),
    }
}

fn stored(document: &Document) -> RawDocumentBuf {
    let Document { id, service, message, created, hostname } = document;
    rawdoc! {
        "_id": id.as_str(),
        "id": id.as_str(),
        "service": service.as_str(),
        "message": message.as_str(),
        "created": created.as_str(),
        "hostname": hostname.as_str(),
    }
}
