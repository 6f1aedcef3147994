//! The MongoDB store while its server is unavailable, and after it is back.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use octet_backends::{
    inspect::{InspectError, StoreInspect},
    mongodb::{MongoSettings, MongoStore, MongoStoreInspect},
    store::{DocumentStore, Inserted, StoreError},
};
use octet_testbed::{Database, eventually};
use tokio::{
    task::JoinSet,
    time::{self, Instant},
};

use crate::{
    factories::{document, unique},
    logs::Logs,
    mongodb::Mongo,
};

/// From a server's return to the first call that succeeds, on a busy machine: the monitor checks every second.
const RECOVERY: Duration = Duration::from_secs(20);

/// How long a call waits for a server, unless the loss is known.
const SERVER_SELECTION: Duration = Duration::from_secs(2);

fn reason(result: Result<impl std::fmt::Debug, StoreError>) -> String {
    match result {
        Err(StoreError::Unavailable(reason)) => reason,
        other => panic!("it should be unavailable, but: {other:?}"),
    }
}

/// Returns once an insert succeeds, which must be soon.
async fn recovers(store: &Arc<MongoStore>) {
    let since = Instant::now();
    eventually("an insert succeeds", async || store.insert(&document(&unique())).await).await;
    assert!(since.elapsed() < RECOVERY, "it took {:?}", since.elapsed());
}

/// Returns once the store has noticed the loss of its server.
async fn knows_the_loss(store: &Arc<MongoStore>) {
    eventually("the loss is noticed", async || store.ping().await.is_err()).await;
}

#[tokio::test]
async fn a_store_opens_without_its_server_and_works_once_that_is_available() {
    let mut server = Database::start().await;
    server.kill();
    let mongo = Mongo::at(&server.url());
    let since = Instant::now();
    let store = mongo.opened().await;
    assert!(since.elapsed() < SERVER_SELECTION);
    let refused = reason(store.insert(&document("a")).await);
    assert!(refused.contains("refused") && refused.contains("127.0.0.1"), "{refused}");
    assert_eq!(reason(store.ping().await), refused);

    server.restart().await;
    recovers(&store).await;
    assert_eq!(store.ping().await, Ok(()));
}

#[tokio::test]
async fn kill_9_under_load_loses_nothing_that_was_confirmed() {
    let mut server = Database::start().await;
    let mongo = Mongo::at(&server.url());
    let store = mongo.opened().await;
    let confirmed = Arc::new(Mutex::new(Vec::new()));
    let mut callers = JoinSet::new();
    for _ in 0..25 {
        let (store, confirmed) = (Arc::clone(&store), Arc::clone(&confirmed));
        callers.spawn(async move {
            loop {
                let id = unique();
                match store.insert(&document(&id)).await {
                    Ok(inserted) => {
                        assert_eq!(inserted, Inserted::New);
                        confirmed.lock().unwrap().push(id);
                    }
                    Err(StoreError::Unavailable(_)) => time::sleep(Duration::from_millis(5)).await,
                    Err(refused) => panic!("{refused}"),
                }
            }
        });
    }
    let count = || confirmed.lock().unwrap().len();
    for _ in 0..2 {
        let before = count();
        eventually("500 more inserts", async || count() > before + 500).await;
        server.kill();
        knows_the_loss(&store).await;
        let since = Instant::now();
        for _ in 0..50 {
            reason(store.insert(&document(&unique())).await);
        }
        assert!(since.elapsed() < SERVER_SELECTION, "50 calls took {:?}", since.elapsed());
        server.restart().await;
        recovers(&store).await;
    }
    callers.shutdown().await;

    let confirmed = confirmed.lock().unwrap().clone();
    let inspect = MongoStoreInspect::open(mongo.settings()).await.unwrap();
    assert_eq!(inspect.missing(&confirmed).await, Ok(vec![]));
    assert!(inspect.count().await.unwrap() >= confirmed.len() as u64);
}

#[tokio::test]
async fn a_frozen_server_blocks_no_call_forever() {
    let server = Database::start().await;
    let mongo = Mongo::at(&server.url());
    let settings = MongoSettings { operation_timeout: Duration::from_secs(1), ..mongo.settings() };
    let store = Arc::new(MongoStore::open(settings).await.unwrap());
    store.insert(&document("a")).await.unwrap();

    server.freeze();
    let since = Instant::now();
    let mut inserts = JoinSet::new();
    for _ in 0..10 {
        let store = Arc::clone(&store);
        inserts.spawn(async move { reason(store.insert(&document(&unique())).await) });
    }
    for reason in inserts.join_all().await {
        assert_eq!(reason, "no answer within 1s");
    }
    reason(store.ping().await);
    // The monitor notices within its own timeout; then calls fail without an attempt.
    eventually("a ping fails at once", async || {
        time::timeout(Duration::from_millis(100), store.ping()).await.is_ok()
    })
    .await;
    assert!(since.elapsed() < RECOVERY, "{:?}", since.elapsed());

    server.thaw();
    recovers(&store).await;
    assert_eq!(store.insert(&document("a")).await, Ok(Inserted::AlreadyThere));
}

#[tokio::test]
async fn inspection_of_an_unavailable_server_fails_soon() {
    let mut server = Database::start().await;
    let mongo = Mongo::at(&server.url());
    mongo.opened().await.insert(&document("a")).await.unwrap();
    let inspect = MongoStoreInspect::open(mongo.settings()).await.unwrap();
    assert_eq!(inspect.count().await, Ok(1));
    server.kill();
    let since = Instant::now();
    let away = |answer: &InspectError| matches!(answer, InspectError::Unavailable(_));
    assert!(inspect.count().await.is_err_and(|error| away(&error)));
    let new = MongoStoreInspect::open(mongo.settings()).await.unwrap();
    assert!(new.missing(&["a".to_owned()]).await.is_err_and(|error| away(&error)));
    assert!(since.elapsed() < RECOVERY, "{:?}", since.elapsed());
}

#[tokio::test]
async fn an_outage_is_logged_in_two_lines() {
    let logs = Logs::capture();
    let mut server = Database::start().await;
    let mongo = Mongo::at(&server.url());
    let store = mongo.opened().await;
    store.insert(&document("a")).await.unwrap();
    server.kill();
    knows_the_loss(&store).await;
    for _ in 0..20 {
        reason(store.insert(&document("b")).await);
    }
    server.restart().await;
    recovers(&store).await;
    let lines = logs.lines();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("WARN") && lines[0].contains("MongoDB lost"), "{}", lines[0]);
    assert!(lines[1].contains("INFO") && lines[1].contains("MongoDB back"), "{}", lines[1]);
}

#[tokio::test]
async fn a_password_is_in_no_error_and_no_log() {
    let logs = Logs::capture();
    let server = Database::start().await;
    let url = server.url().replace("mongodb://", "mongodb://S3CRETuser:S3CRETword@");
    let settings = MongoSettings::new(url.parse().unwrap(), "service-c", "greetings");
    let store = MongoStore::open(settings.clone()).await.unwrap();
    // The server has no users.
    let answers = [reason(store.insert(&document("a")).await), reason(store.ping().await)];
    assert!(answers.iter().all(|answer| answer.contains("login")), "{answers:?}");
    let inspect = MongoStoreInspect::open(settings).await.unwrap();
    let inspected = inspect.count().await.unwrap_err().to_string();
    let lines = logs.lines();
    assert!(!lines.is_empty(), "{answers:?}");
    for text in answers.iter().chain([&inspected]).chain(&lines) {
        assert!(!text.contains("S3CRET"), "{text}");
    }
}

#[tokio::test]
async fn unknown_hosts_make_the_store_unavailable() {
    let url = "mongodb+srv://octet:S3CRET@cluster.octet.invalid/";
    let settings = MongoSettings::new(url.parse().unwrap(), "service-c", "greetings");
    let store = MongoStore::open(settings).await.unwrap();
    let since = Instant::now();
    let reason = reason(store.insert(&document("a")).await);
    assert!(since.elapsed() < RECOVERY, "{:?}", since.elapsed());
    assert!(reason.contains("name lookup failed") || reason.contains("no server has been seen"), "{reason}");
    assert!(store.ping().await.is_err());
}
