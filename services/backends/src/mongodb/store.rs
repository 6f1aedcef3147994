//! The document store: a collection, with a document per greeting.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use mongodb::bson::{RawDocumentBuf, doc, rawdoc};
use tokio::time;

use super::{
    connection::Connection,
    failure::Unavailable,
    settings::MongoSettings,
    writer::{Writer, write_again},
};
use crate::OpenError;
use crate::store::{Document, DocumentStore, Inserted, StoreError};

/// The protocol's limit in bytes, in `MongoDB` and in `DocumentDB`.
const MAX_DOCUMENT: usize = 16 * 1024 * 1024;

/// Shorter than the timeouts of probes.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// A collection in `MongoDB`. Dropping it finishes the inserts it has accepted.
pub struct MongoStore {
    connection: Arc<Connection>,
    writer: Writer,
}

impl MongoStore {
    /// Opens the collection and starts to look for its servers, without waiting for one. The first insert creates
    /// database and collection.
    ///
    /// The first calls wait, at most 2 s, until a server is seen or found to be unavailable. Call this on the runtime
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
        if bytes > MAX_DOCUMENT {
            return Err(StoreError::Rejected(format!(
                "document of {bytes} bytes exceeds MongoDB's limit of 16 MiB"
            )));
        }
        self.writer.insert(document.id.clone(), stored).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.connection.health().may_pass()?;
        match time::timeout(PING_TIMEOUT, ping(&self.connection)).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(self.connection.unavailable(&format!("no answer within {PING_TIMEOUT:?}")).into()),
        }
    }
}

/// Pings the server that takes writes, over a connection that has logged in, and checks that writes work after one was
/// refused.
async fn ping(connection: &Connection) -> Result<(), Unavailable> {
    let database = connection.collection().await?.client().database(&connection.settings().database);
    match database.run_command(doc! { "ping": 1 }).await {
        Ok(_) => connection.health().answered(),
        Err(error) => return Err(connection.failed(&error)),
    }
    // Whether writes work again shows only in a write. This one may have been made anyway: its caller knows only that
    // the store was unavailable.
    match connection.health().refused_write() {
        Some(refused) => write_again(connection, refused).await,
        None => Ok(()),
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
