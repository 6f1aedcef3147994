//! Inspecting a collection, from any process, whether or not the services run.

use std::{collections::HashMap, future::Future, time::Duration};

use async_trait::async_trait;
use mongodb::{
    Collection,
    bson::{RawDocumentBuf, doc},
    error::Error,
};
use tokio::time;

use super::{connection::Connection, failure::Unavailable, settings::MongoSettings, writer::existing};
use crate::OpenError;
use crate::inspect::{Fingerprint, InspectError, StoreInspect};

/// Ids in one query.
const MAX_IDS: usize = 1_000;

/// For the connection to a server and its first answer.
const REACH_TIMEOUT: Duration = Duration::from_secs(3);

/// Counting reads the whole index, which takes seconds for many millions of documents.
const QUERY_TIMEOUT: Duration = Duration::from_mins(1);

/// Inspects a collection in `MongoDB`, with read concern majority.
pub struct MongoStoreInspect {
    connection: Connection,
}

impl MongoStoreInspect {
    /// An inspector of the collection. Waits for no server; call it on the runtime that will use it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(settings: MongoSettings) -> Result<Self, OpenError> {
        Ok(Self { connection: Connection::open(settings).await? })
    }

    /// Runs `query` on a collection that exists, until the server is lost. A server that is unavailable is noticed
    /// within 5 s.
    pub(super) async fn query<T, F: Future<Output = Result<T, Error>>>(
        &self,
        query: impl FnOnce(Collection<RawDocumentBuf>) -> F,
    ) -> Result<T, InspectError> {
        let connection = &self.connection;
        let reached = time::timeout(REACH_TIMEOUT, self.reach()).await;
        let collection = reached
            .unwrap_or_else(|_| Err(connection.unavailable(&format!("no answer within {REACH_TIMEOUT:?}"))))?
            .ok_or_else(|| self.absent())?;
        let mut changes = connection.health().changes();
        tokio::select! {
            found = time::timeout(QUERY_TIMEOUT, query(collection)) => match found {
                Ok(found) => Ok(found.map_err(|error| connection.failed(&error))?),
                Err(_) => Err(InspectError::Unavailable(format!("no answer within {QUERY_TIMEOUT:?}"))),
            },
            lost = changes.lost() => Err(lost.into()),
        }
    }

    /// The collection, if there is one.
    async fn reach(&self) -> Result<Option<Collection<RawDocumentBuf>>, Unavailable> {
        self.connection.health().may_pass()?;
        let collection = self.connection.collection().await?;
        let exists = exists(&collection).await.map_err(|error| self.connection.failed(&error))?;
        self.connection.health().answered();
        Ok(exists.then_some(collection))
    }

    fn absent(&self) -> InspectError {
        let MongoSettings { database, collection, .. } = self.connection.settings();
        InspectError::Absent(format!("collection {collection} in database {database}"))
    }
}

#[async_trait]
impl StoreInspect for MongoStoreInspect {
    async fn count(&self) -> Result<u64, InspectError> {
        let count = async |collection: Collection<RawDocumentBuf>| collection.count_documents(doc! {}).await;
        self.query(count).await
    }

    async fn missing(&self, ids: &[String]) -> Result<Vec<String>, InspectError> {
        self.query(async |collection| {
            let mut missing = Vec::new();
            for ids in ids.chunks(MAX_IDS) {
                let asked: Vec<&str> = ids.iter().map(String::as_str).collect();
                let existing = existing(&collection, &asked).await?;
                missing.extend(ids.iter().filter(|id| !existing.contains(*id)).cloned());
            }
            Ok(missing)
        })
        .await
    }

    async fn fingerprints(&self, ids: &[String]) -> Result<HashMap<String, Fingerprint>, InspectError> {
        self.query(async |collection| {
            let mut found = HashMap::new();
            for ids in ids.chunks(MAX_IDS) {
                let mut documents = collection.find(doc! { "_id": { "$in": ids } }).await?;
                while documents.advance().await? {
                    let document = documents.current();
                    // A field of another type was changed by hand, and differs from every text.
                    let field = |name: &&str| document.get_str(*name).map_or(&[0xff][..], str::as_bytes);
                    let fields = Fingerprint::FIELDS.each_ref().map(|name| Some(field(name)));
                    if let Ok(id) = document.get_str("_id") {
                        found.insert(id.to_owned(), Fingerprint::of(fields));
                    }
                }
            }
            Ok(found)
        })
        .await
    }
}

async fn exists(collection: &Collection<RawDocumentBuf>) -> Result<bool, Error> {
    let database = collection.client().database(&collection.namespace().db);
    let names = database.list_collection_names().filter(doc! { "name": collection.name() }).await?;
    Ok(names.iter().any(|name| name == collection.name()))
}

impl From<Unavailable> for InspectError {
    fn from(Unavailable(reason): Unavailable) -> Self {
        Self::Unavailable(reason)
    }
}
