//! Where documents and messages go: parsed from the environment, opened by role. No other code knows which
//! adapter is behind a port.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use octet_backends::{
    inspect::{QueueInspect, StoreInspect},
    queue::{Consumer, Publisher},
    sqlite::{
        OpenError, SqliteConsumer, SqlitePublisher, SqliteQueueInspect, SqliteQueueSettings, SqliteStore,
        SqliteStoreInspect, SqliteStoreSettings,
    },
    store::DocumentStore,
};
use octet_runtime::environment::Environment;
use octet_topology::{QueueName, Store};

use crate::consume::IN_HAND;

/// The databases and the broker of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connections {
    /// Where each database is.
    pub store: StoreConnection,
    /// Where each queue is.
    pub queue: QueueConnection,
}

/// Where the databases are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreConnection {
    /// A directory with one SQLite file a database.
    Sqlite(PathBuf),
}

/// Where the queues are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueConnection {
    /// A directory with one SQLite file a queue.
    Sqlite(PathBuf),
}

impl Connections {
    /// Reads `STORE_URL` and `QUEUE_URL`, each `sqlite:DIRECTORY`.
    ///
    /// `MONGO_CONN` and `RABBITMQ_CONN` are refused as long as this build has no adapter for them: ignoring
    /// them would put the data where nobody looks for them.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        for (server, embedded) in [("MONGO_CONN", "STORE_URL"), ("RABBITMQ_CONN", "QUEUE_URL")] {
            if environment.text(server).is_some() {
                environment.fault(
                    server,
                    format!("is not supported by this version; unset it, or use {embedded}=sqlite:DIRECTORY"),
                );
            }
        }
        let store = sqlite(environment, "STORE_URL", ".octet/store");
        let queue = sqlite(environment, "QUEUE_URL", ".octet/queue");
        Self { store: StoreConnection::Sqlite(store), queue: QueueConnection::Sqlite(queue) }
    }

    /// The embedded stores and queues of `octet up --data DIRECTORY`.
    pub fn embedded(directory: &Path) -> Self {
        Self {
            store: StoreConnection::Sqlite(directory.join("store")),
            queue: QueueConnection::Sqlite(directory.join("queue")),
        }
    }
}

impl StoreConnection {
    /// Opens one collection.
    ///
    /// # Errors
    /// [`OpenError`] when the place can never be written; what may heal is for the store's own calls to say.
    pub(crate) async fn open(&self, store: &Store) -> Result<Arc<dyn DocumentStore>, OpenError> {
        Ok(Arc::new(SqliteStore::open(self.settings(store)).await?))
    }

    /// Will look into one collection, for the audit; opens nothing yet.
    pub fn inspect(&self, store: &Store) -> Arc<dyn StoreInspect> {
        Arc::new(SqliteStoreInspect::new(self.settings(store)))
    }

    fn settings(&self, store: &Store) -> SqliteStoreSettings {
        let Self::Sqlite(directory) = self;
        SqliteStoreSettings::new(directory, store.database.as_str(), store.collection.as_str())
    }
}

impl QueueConnection {
    /// Opens a queue to publish on.
    ///
    /// # Errors
    /// As [`StoreConnection::open`].
    pub(crate) async fn publisher(&self, queue: &QueueName) -> Result<Arc<dyn Publisher>, OpenError> {
        Ok(Arc::new(SqlitePublisher::open(self.settings(queue)).await?))
    }

    /// Opens a queue to take messages from.
    ///
    /// # Errors
    /// As [`StoreConnection::open`].
    pub(crate) async fn consumer(&self, queue: &QueueName) -> Result<Arc<dyn Consumer>, OpenError> {
        Ok(Arc::new(SqliteConsumer::open(self.settings(queue)).await?))
    }

    /// Will look into a queue, for the audit; opens nothing yet.
    pub fn inspect(&self, queue: &QueueName) -> Arc<dyn QueueInspect> {
        Arc::new(SqliteQueueInspect::new(&self.settings(queue)))
    }

    fn settings(&self, queue: &QueueName) -> SqliteQueueSettings {
        let Self::Sqlite(directory) = self;
        SqliteQueueSettings { prefetch: IN_HAND, ..SqliteQueueSettings::new(directory, queue.as_str()) }
    }
}

fn sqlite(environment: &mut Environment<'_>, variable: &str, default: &str) -> PathBuf {
    let allowed = "sqlite:DIRECTORY, for example sqlite:.octet/store";
    environment.or(variable, allowed, PathBuf::from(default), |text| {
        let directory = text.strip_prefix("sqlite:").unwrap_or_default();
        let directory = directory.strip_prefix("//").unwrap_or(directory);
        if directory.is_empty() || directory.contains(['?', '\0']) {
            return Err(());
        }
        Ok(PathBuf::from(directory))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn parsed(variables: &[(&str, &str)]) -> Result<Connections, String> {
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut environment = Environment::new(&variables);
        let connections = Connections::from_environment(&mut environment);
        environment.finish(connections).map_err(|faults| faults.to_string())
    }

    #[test]
    fn an_embedded_url_names_a_directory() {
        for (url, directory) in
            [("sqlite:data", "data"), ("sqlite:/var/data", "/var/data"), ("sqlite:///var/data", "/var/data")]
        {
            let connections = parsed(&[("STORE_URL", url)]).unwrap();
            assert_eq!(connections.store, StoreConnection::Sqlite(directory.into()), "{url}");
        }
    }

    #[test]
    fn a_data_directory_holds_what_the_defaults_name() {
        assert_eq!(Connections::embedded(Path::new(".octet")), parsed(&[]).unwrap());
    }

    #[test]
    fn other_urls_and_servers_without_an_adapter_are_refused() {
        for variable in [
            ("STORE_URL", "data"),
            ("QUEUE_URL", "sqlite:"),
            ("QUEUE_URL", "sqlite:x?mode=ro"),
            ("MONGO_CONN", "mongodb://user:hunter2@db"),
            ("RABBITMQ_CONN", "amqp://mq"),
        ] {
            let faults = parsed(&[variable]).expect_err(variable.1);
            assert!(faults.starts_with(variable.0) && !faults.contains("hunter2"), "{faults}");
        }
    }
}
