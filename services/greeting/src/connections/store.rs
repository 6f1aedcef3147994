//! The document stores of a process.

use std::{path::PathBuf, sync::Arc};

use octet_backends::{
    OpenError,
    inspect::StoreInspect,
    mongodb::{MongoAddress, MongoSettings, MongoStore, MongoStoreInspect},
    scan::StoreScan,
    sqlite::{SqliteStore, SqliteStoreInspect, SqliteStoreScan, SqliteStoreSettings},
    store::DocumentStore,
};
use octet_runtime::environment::Environment;
use octet_topology::Store;

use crate::observed::ServerAttributes;

const SERVER: &str = "MONGO_CONN";
const EMBEDDED: &str = "STORE_URL";

/// Where a process's databases are.
#[derive(Debug, Clone, PartialEq)]
pub enum StoreConnection {
    /// A directory with one SQLite file a database.
    Sqlite(PathBuf),
    /// MongoDB or DocumentDB. Its `Debug` form contains no credentials.
    Mongo(Box<MongoAddress>),
}

impl StoreConnection {
    pub(super) fn from_environment(environment: &mut Environment<'_>) -> Self {
        super::address_or_directory(environment, (SERVER, EMBEDDED), ".octet/store", str::parse)
            .map_or_else(Self::Sqlite, |address| Self::Mongo(Box::new(address)))
    }

    /// The database's kind, as OpenTelemetry's conventions spell it.
    pub(crate) fn system(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Mongo(_) => "mongodb",
        }
    }

    /// The database's server, for spans.
    pub(crate) fn server(&self) -> Option<ServerAttributes> {
        match self {
            Self::Sqlite(_) => None,
            Self::Mongo(address) => {
                address.only_host().map(|(host, port)| ServerAttributes { address: host.to_owned(), port })
            }
        }
    }

    /// The variable that configures it, for error messages.
    pub fn variable(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => EMBEDDED,
            Self::Mongo(_) => SERVER,
        }
    }

    /// Opens one collection.
    ///
    /// # Errors
    /// [`OpenError`] when the store can never be used; a passing failure is reported by the store's own calls.
    pub(crate) async fn open(&self, store: &Store) -> Result<Arc<dyn DocumentStore>, OpenError> {
        Ok(match self {
            Self::Sqlite(directory) => Arc::new(SqliteStore::open(sqlite(directory, store)).await?),
            Self::Mongo(address) => Arc::new(MongoStore::open(mongo(address, store)).await?),
        })
    }

    /// Inspects one collection, for the audit.
    ///
    /// # Errors
    /// As [`open`](Self::open); whether the collection exists is reported by the inspection.
    pub async fn inspect(&self, store: &Store) -> Result<Arc<dyn StoreInspect>, OpenError> {
        Ok(match self {
            Self::Sqlite(directory) => Arc::new(SqliteStoreInspect::new(sqlite(directory, store))),
            Self::Mongo(address) => Arc::new(MongoStoreInspect::open(mongo(address, store)).await?),
        })
    }

    /// Reads all documents of one collection.
    ///
    /// # Errors
    /// As [`inspect`](Self::inspect).
    pub async fn scan(&self, store: &Store) -> Result<Arc<dyn StoreScan>, OpenError> {
        Ok(match self {
            Self::Sqlite(directory) => Arc::new(SqliteStoreScan::new(sqlite(directory, store))),
            Self::Mongo(address) => Arc::new(MongoStoreInspect::open(mongo(address, store)).await?),
        })
    }
}

fn sqlite(directory: &PathBuf, store: &Store) -> SqliteStoreSettings {
    SqliteStoreSettings::new(directory, store.database.as_str(), store.collection.as_str())
}

fn mongo(address: &MongoAddress, store: &Store) -> MongoSettings {
    MongoSettings::new(address.clone(), store.database.as_str(), store.collection.as_str())
}
