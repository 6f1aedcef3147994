//! The SQLite adapters with a file that cannot be written, is damaged, locked or deleted.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    time::{Duration, Instant},
};

use octet_backends::{
    inspect::InspectError,
    queue::{Consumer, Message, Publisher, SettleError},
    sqlite::{
        OpenError, SqliteConsumer, SqlitePublisher, SqliteQueueSettings, SqliteStore, SqliteStoreSettings,
    },
    store::{Document, DocumentStore, Inserted, StoreError},
};

use octet_testbed::eventually;

use crate::{
    Queues, Stores, Terms,
    child::Child,
    factories::{document, message, next},
    sqlite::Sqlite,
};

fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable(reason.to_owned())
}

#[tokio::test]
async fn a_directory_that_cannot_be_created_is_an_error_at_start() {
    let sqlite = Sqlite::new();
    fs::write(sqlite.directory(), "a file where the directory should be").unwrap();
    for directory in [sqlite.directory(), sqlite.directory().join("below"), "/proc/octet".into()] {
        let opened = SqliteStore::open(SqliteStoreSettings::new(&directory, "service-f", "messages")).await;
        assert!(matches!(opened, Err(OpenError::NotWritable { .. })), "{}", directory.display());
        let opened = SqliteConsumer::open(SqliteQueueSettings::new(&directory, "greeting")).await;
        let error = opened.err().expect("no consumer either").to_string();
        assert!(error.starts_with(&format!("{}/greeting.sqlite cannot be written: ", directory.display())));
    }
}

#[tokio::test]
async fn a_path_that_is_not_a_file_is_an_error_at_start() {
    let sqlite = Sqlite::new();
    fs::create_dir_all(sqlite.store_file()).unwrap();
    let opened = SqliteStore::open(sqlite.store_settings()).await;
    assert!(matches!(opened, Err(OpenError::NotWritable { .. })));
}

#[tokio::test]
async fn a_read_only_file_is_an_error_at_start() {
    let sqlite = Sqlite::new();
    drop(sqlite.store().await);
    eventually("the file is closed", async || !sqlite.store_file().with_extension("sqlite-wal").exists())
        .await;
    // Permissions do not restrict root, who may run this test. A newer write format in the header makes the file read-only
    // for every user.
    File::options().write(true).open(sqlite.store_file()).unwrap().write_at(&[3], 18).unwrap();
    let error = SqliteStore::open(sqlite.store_settings()).await.err().expect("it cannot be written");
    assert!(
        matches!(&error, OpenError::NotWritable { reason, .. } if reason == "the file is read-only"),
        "{error}"
    );
}

#[tokio::test]
async fn invalid_settings_are_an_error_at_start() {
    let sqlite = Sqlite::new();
    for (database, collection) in [("../up", "messages"), ("", "messages"), ("a", ""), ("a", "sqlite_x")] {
        let settings = SqliteStoreSettings::new(sqlite.directory(), database, collection);
        assert!(matches!(SqliteStore::open(settings).await, Err(OpenError::Invalid { .. })));
    }
    let good = sqlite.queue_settings(Terms::default());
    for bad in [
        SqliteQueueSettings { prefetch: 0, ..good.clone() },
        SqliteQueueSettings { renew_every: good.lease, ..good.clone() },
        SqliteQueueSettings { lease: Duration::from_mins(2), ..good.clone() },
        SqliteQueueSettings { min_poll: Duration::ZERO, ..good.clone() },
        SqliteQueueSettings { delivery_limit: 0, ..good.clone() },
    ] {
        assert!(matches!(SqliteConsumer::open(bad).await, Err(OpenError::Invalid { .. })));
    }
    assert!(!sqlite.directory().exists(), "nothing is created before the settings are checked");
}

#[tokio::test]
async fn a_collection_may_have_any_name() {
    let sqlite = Sqlite::new();
    let collection = "a \"strange'; DROP TABLE name --";
    let settings = SqliteStoreSettings::new(sqlite.directory(), "service-f", collection);
    let store = SqliteStore::open(settings).await.unwrap();
    assert_eq!(store.insert(&document("a")).await, Ok(Inserted::New));
    let name: String = sqlite
        .store_client()
        .query_row("SELECT name FROM sqlite_schema LIMIT 1", [], |row| row.get(0))
        .unwrap();
    assert_eq!(name, collection);
}

#[tokio::test]
async fn a_damaged_file_is_unavailable_until_it_is_replaced() {
    let sqlite = Sqlite::new();
    fs::create_dir_all(sqlite.directory()).unwrap();
    fs::write(sqlite.store_file(), "no database, but longer than a page. ".repeat(500)).unwrap();
    fs::write(sqlite.queue_file(), "no database, but longer than a page. ".repeat(500)).unwrap();

    let store = sqlite.store().await;
    assert_eq!(store.ping().await, Err(unavailable("the file is not a SQLite database")));
    assert!(store.insert(&document("a")).await.unwrap_err().is_retryable());
    let (publisher, consumer) = (sqlite.publisher().await, sqlite.consumer(Terms::default()).await);
    assert!(publisher.publish(message("a")).await.unwrap_err().is_retryable());
    assert!(consumer.ping().await.is_err());
    let inspect = Stores::inspect(&sqlite).await;
    assert!(matches!(inspect.count().await, Err(InspectError::Unavailable(_))));

    fs::remove_file(sqlite.store_file()).unwrap();
    fs::remove_file(sqlite.queue_file()).unwrap();
    eventually("a ping succeeds", async || store.ping().await).await;
    assert_eq!(store.insert(&document("a")).await, Ok(Inserted::New));
    eventually("a publish succeeds", async || publisher.publish(message("a")).await).await;
    assert_eq!(next(&consumer).await.message(), &message("a"));
    assert_eq!(consumer.ping().await, Ok(()));
}

#[tokio::test]
async fn a_deleted_file_is_created_again_and_loses_no_later_write() {
    let sqlite = Sqlite::new();
    let store = sqlite.store().await;
    store.insert(&document("before")).await.unwrap();
    // Twice: the new file may be deleted, too.
    for id in ["first", "second"] {
        for ending in ["sqlite", "sqlite-wal", "sqlite-shm"] {
            fs::remove_file(sqlite.store_file().with_extension(ending)).unwrap();
        }
        assert_eq!(store.insert(&document(id)).await, Ok(Inserted::New));
        assert_eq!(Stores::inspect(&sqlite).await.missing(&[id.to_owned()]).await, Ok(vec![]));
        assert_eq!(Stores::inspect(&sqlite).await.count().await, Ok(1));
    }
}

#[tokio::test]
async fn a_deleted_directory_comes_back() {
    let sqlite = Sqlite::new();
    let (store, publisher) = (sqlite.store().await, sqlite.publisher().await);
    let consumer = sqlite.consumer(Terms::default()).await;
    publisher.publish(message("before")).await.unwrap();
    let before = next(&consumer).await;

    fs::remove_dir_all(sqlite.directory()).unwrap();
    assert_eq!(store.ping().await, Ok(()));
    assert_eq!(store.insert(&document("a")).await, Ok(Inserted::New));
    assert_eq!(Stores::inspect(&sqlite).await.count().await, Ok(1));
    publisher.publish(message("after")).await.unwrap();
    let after = next(&consumer).await;
    assert_eq!((after.message(), after.attempt()), (&message("after"), 1));
    assert_eq!(before.ack().await, Err(SettleError::LeaseLost));
    after.ack().await.unwrap();
}

#[tokio::test]
async fn a_file_that_was_never_opened_is_absent() {
    let sqlite = Sqlite::new();
    assert!(matches!(Stores::inspect(&sqlite).await.count().await, Err(InspectError::Absent(_))));
    assert!(matches!(Queues::inspect(&sqlite).await.depth().await, Err(InspectError::Absent(_))));
    assert!(!sqlite.directory().exists(), "inspection creates nothing");
}

#[tokio::test]
async fn a_file_is_unavailable_while_a_lock_is_held_for_long() {
    let sqlite = Sqlite::new();
    let store = sqlite.store().await;
    let client = sqlite.store_client();
    client.execute_batch("BEGIN IMMEDIATE").unwrap();

    let started = Instant::now();
    let refused = store.insert(&document("a")).await;
    assert_eq!(refused, Err(unavailable("the file is locked by another process")));
    assert!(started.elapsed() >= Duration::from_millis(1_900), "it waits for 2 s");
    // The next calls fail without waiting.
    let started = Instant::now();
    assert!(store.insert(&document("a")).await.is_err());
    assert!(started.elapsed() < Duration::from_millis(1_900));

    client.execute_batch("COMMIT").unwrap();
    eventually("an insert succeeds", async || store.insert(&document("a")).await).await;
}

#[tokio::test]
async fn a_lock_held_briefly_delays_an_insert() {
    let sqlite = Sqlite::new();
    let store = sqlite.store().await;
    let client = sqlite.store_client();
    client.execute_batch("BEGIN IMMEDIATE").unwrap();
    let insert = tokio::spawn(async move { store.insert(&document("a")).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!insert.is_finished());
    client.execute_batch("COMMIT").unwrap();
    assert_eq!(insert.await.unwrap(), Ok(Inserted::New));
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_loses_nothing_confirmed() {
    let sqlite = Sqlite::new();
    let mut child = Child::start_with_file_limit(600, "fill", &sqlite.directory());
    let mut said = child.says_to_the_end().await;
    assert_eq!(said.pop().as_deref(), Some("alive"), "{said:?}");
    let (failed, confirmed): (Vec<_>, Vec<_>) =
        said.into_iter().partition(|said| said.starts_with("unavailable: "));
    assert_eq!(failed.len(), 10);
    assert!(confirmed.len() >= 10, "{confirmed:?}");
    assert_eq!(Stores::inspect(&sqlite).await.missing(&confirmed).await, Ok(vec![]));

    // With room again, the file works.
    assert_eq!(sqlite.store().await.insert(&document("after")).await, Ok(Inserted::New));
}

#[tokio::test]
async fn a_ping_fails_on_a_full_disk_before_any_write_does() {
    let sqlite = Sqlite::new();
    let (store, publisher) = (sqlite.store().await, sqlite.publisher().await);
    let mut child = Child::start_with_file_limit(300, "ping", &sqlite.directory());
    assert_eq!(child.says().await.as_deref(), Some("Ok(()) Ok(())"));
    // This process has no limit: it makes the files longer than the child may.
    for number in 0..40 {
        let large = "x".repeat(20_000);
        let id = number.to_string();
        store.insert(&Document { message: large.clone(), ..document(&id) }).await.unwrap();
        publisher.publish(Message { body: large.into_bytes(), ..message(&id) }).await.unwrap();
    }
    let mut results = String::new();
    while results.matches("Unavailable").count() < 2 {
        results = child.says().await.unwrap();
    }
}

#[tokio::test]
async fn a_table_dropped_while_running_is_created_again() {
    let sqlite = Sqlite::new();
    let store = sqlite.store().await;
    sqlite.store_client().execute_batch("DROP TABLE messages").unwrap();
    eventually("an insert succeeds", async || store.insert(&document("a")).await).await;
}

#[tokio::test]
async fn the_adapters_threads_end_with_them() {
    let sqlite = Sqlite::new();
    let publisher = SqlitePublisher::open(sqlite.queue_settings(Terms::default())).await.unwrap();
    let consumer = SqliteConsumer::open(sqlite.queue_settings(Terms::default())).await.unwrap();
    publisher.publish(message("a")).await.unwrap();
    let delivery = consumer.next().await.unwrap();
    assert!(sqlite.queue_file().with_extension("sqlite-wal").exists());
    drop((publisher, consumer));
    delivery.ack().await.unwrap();
    // SQLite removes the file when the last connection is closed, which is when the last thread ends.
    eventually("the file is closed", async || !sqlite.queue_file().with_extension("sqlite-wal").exists())
        .await;
}
