//! The SQLite factory, and its adapters' contract tests.

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
use octet_testbed::eventually;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{Queues, Sight, Stores, Terms, WholeLetter, child::Child};

/// A temporary directory with one collection and one queue.
pub(crate) struct Sqlite {
    directory: TempDir,
}

impl Sqlite {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// The files' directory: below the temporary directory, so that it can be deleted and created again.
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
            min_poll: Duration::from_millis(2),
            max_poll: Duration::from_millis(20),
            delivery_limit: terms.delivery_limit,
            ..SqliteQueueSettings::new(self.directory(), "greeting")
        }
    }

    /// An ordinary client of the store's file.
    pub(crate) fn store_client(&self) -> Connection {
        client(&self.store_file())
    }

    /// Waits until so many messages of the queue are leased.
    pub(crate) async fn until_leased(&self, count: u64) {
        eventually(&format!("{count} leased"), async || {
            let depth = Queues::inspect(self).await.depth().await.map_err(|error| error.to_string())?;
            if depth.leased == count { Ok(()) } else { Err(format!("{depth:?}")) }
        })
        .await;
    }

    /// An ordinary client of the queue's file.
    pub(crate) fn queue_client(&self) -> Connection {
        client(&self.queue_file())
    }
}

fn client(file: &std::path::Path) -> Connection {
    let connection = Connection::open(file).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
}

#[async_trait(?Send)]
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

#[async_trait(?Send)]
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

    async fn dead_letters(&self) -> Vec<WholeLetter> {
        let client = self.queue_client();
        let mut statement =
            client.prepare("SELECT id, headers, body, reason FROM dead_letters ORDER BY seq").unwrap();
        let letters = statement.query_map([], |row| {
            let headers: String = row.get(1)?;
            let message = Message {
                id: row.get(0)?,
                headers: serde_json::from_str(&headers).unwrap(),
                body: row.get_ref(2)?.as_bytes().unwrap().to_vec(),
            };
            Ok(WholeLetter { message, reason: row.get(3)? })
        });
        letters.unwrap().map(Result::unwrap).collect()
    }

    async fn taken_by_a_process(&self) -> Child {
        let mut child = Child::start("take", &self.directory());
        child.says().await.expect("the child took a message");
        child
    }

    fn sight(&self) -> Sight {
        Sight::Everything
    }

    fn counts_given_back(&self) -> bool {
        false
    }
}

store_contract!(Sqlite::new());
queue_contract!(Sqlite::new());
