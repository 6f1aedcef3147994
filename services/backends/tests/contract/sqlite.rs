//! The SQLite factories, and their adapters held to the contract.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use octet_backends::{
    inspect::{QueueInspect, StoreInspect},
    queue::{Consumer, Message, Publisher},
    sqlite::{
        SqliteConsumer, SqlitePublisher, SqliteQueueInspect, SqliteQueueSettings, SqliteStore,
        SqliteStoreInspect, SqliteStoreSettings,
    },
    store::DocumentStore,
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{Buried, Queues, Sight, Stores, Terms, child::Child};

/// A directory of its own, with one collection and one queue.
pub(crate) struct Sqlite {
    directory: TempDir,
}

impl Sqlite {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// Where the files lie: below the temporary directory, so that it can be deleted and come back.
    pub(crate) fn directory(&self) -> PathBuf {
        self.directory.path().join("octet")
    }

    pub(crate) fn store_file(&self) -> PathBuf {
        self.directory().join("service-f.sqlite")
    }

    pub(crate) fn queue_file(&self) -> PathBuf {
        self.directory().join("greeting.sqlite")
    }

    pub(crate) fn store_settings(&self) -> SqliteStoreSettings {
        SqliteStoreSettings::new(self.directory(), "service-f", "messages")
    }

    pub(crate) fn queue_settings(&self, terms: Terms) -> SqliteQueueSettings {
        SqliteQueueSettings {
            prefetch: terms.prefetch,
            lease: terms.lease,
            renew_every: terms.lease / 8,
            poll_fastest: Duration::from_millis(2),
            poll_slowest: Duration::from_millis(20),
            delivery_limit: terms.delivery_limit,
            ..SqliteQueueSettings::new(self.directory(), "greeting")
        }
    }

    /// A client of the store's file like any other.
    pub(crate) fn store_client(&self) -> Connection {
        client(&self.store_file())
    }

    /// A client of the queue's file like any other.
    pub(crate) fn queue_client(&self) -> Connection {
        client(&self.queue_file())
    }
}

fn client(file: &std::path::Path) -> Connection {
    let connection = Connection::open(file).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
}

#[async_trait]
impl Stores for Sqlite {
    async fn store(&self) -> Arc<dyn DocumentStore> {
        Arc::new(SqliteStore::open(self.store_settings()).await.unwrap())
    }

    async fn inspect(&self) -> Box<dyn StoreInspect> {
        Box::new(SqliteStoreInspect::new(self.store_settings()))
    }

    async fn stored(&self, id: &str) -> Vec<(String, String)> {
        let client = self.store_client();
        let mut statement = client.prepare("SELECT * FROM messages WHERE _id = ?1").unwrap();
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let values = |row: &rusqlite::Row<'_>| {
            (0..names.len()).map(|column| row.get(column)).collect::<Result<_, _>>()
        };
        let values: Vec<String> = statement.query_row([id], values).unwrap();
        names.iter().cloned().zip(values).collect()
    }
}

#[async_trait]
impl Queues for Sqlite {
    async fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::new(SqlitePublisher::open(self.queue_settings(Terms::default())).await.unwrap())
    }

    async fn consumer(&self, terms: Terms) -> Arc<dyn Consumer> {
        Arc::new(SqliteConsumer::open(self.queue_settings(terms)).await.unwrap())
    }

    async fn inspect(&self) -> Box<dyn QueueInspect> {
        Box::new(SqliteQueueInspect::new(&self.queue_settings(Terms::default())))
    }

    async fn buried(&self) -> Vec<Buried> {
        let client = self.queue_client();
        let mut statement =
            client.prepare("SELECT id, headers, body, reason FROM dead_letters ORDER BY seq").unwrap();
        let buried = statement.query_map([], |row| {
            let headers: String = row.get(1)?;
            let message = Message {
                id: row.get(0)?,
                headers: serde_json::from_str(&headers).unwrap(),
                body: row.get_ref(2)?.as_bytes().unwrap().to_vec(),
            };
            Ok(Buried { message, reason: row.get(3)? })
        });
        buried.unwrap().map(Result::unwrap).collect()
    }

    async fn taken_by_a_process(&self) -> Child {
        let mut child = Child::start("take", &self.directory());
        child.says().await.expect("it says what it took");
        child
    }

    fn sight(&self) -> Sight {
        Sight::Everything
    }

    fn counts_what_is_given_back(&self) -> bool {
        false
    }
}

store_contract!(Sqlite::new());
queue_contract!(Sqlite::new());
