//! The SQLite adapters and single rows: bad ones, edited ones, ones whose lease or caller is lost.

use std::time::Duration;

use octet_backends::{
    queue::SettleError,
    queue::{Consumer, PublishError},
    sqlite::{SqliteConsumer, SqliteQueueSettings, SqliteStore},
    store::{DocumentStore, Inserted, StoreError},
};

use crate::{
    Queues, Stores, Terms,
    factories::{document, message, next, nothing_within, soon, unique},
    sqlite::Sqlite,
};

#[tokio::test]
async fn a_bad_row_fails_alone() {
    let sqlite = Sqlite::new();
    let store = sqlite.store().await;
    sqlite
        .store_client()
        .execute_batch(
            "CREATE TRIGGER poison BEFORE INSERT ON messages WHEN NEW.message = 'poison' \
             BEGIN SELECT RAISE(ABORT, 'poisoned'); END",
        )
        .unwrap();
    let inserts = (0..60).map(|number: u32| {
        let mut document = document(&number.to_string());
        if number.is_multiple_of(3) {
            document.message = "poison".to_owned();
        }
        let store = std::sync::Arc::clone(&store);
        tokio::spawn(async move { store.insert(&document).await })
    });
    for (number, insert) in inserts.collect::<Vec<_>>().into_iter().enumerate() {
        let result = insert.await.unwrap();
        match number % 3 {
            0 => assert_eq!(result, Err(StoreError::Rejected("poisoned".to_owned()))),
            _ => assert_eq!(result, Ok(Inserted::New)),
        }
    }
    assert_eq!(Stores::inspect(&sqlite).await.count().await, Ok(40));
    assert_eq!(store.ping().await, Ok(()));
}

#[tokio::test]
async fn a_refused_message_is_rejected_and_not_confirmed() {
    let sqlite = Sqlite::new();
    let publisher = sqlite.publisher().await;
    sqlite
        .queue_client()
        .execute_batch(
            "CREATE TRIGGER poison BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'poisoned'); END",
        )
        .unwrap();
    let refused = publisher.publish(message("a")).await;
    assert_eq!(refused, Err(PublishError::Rejected("poisoned".to_owned())));
}

#[tokio::test]
async fn publishing_again_changes_nothing_while_the_message_is_queued() {
    let sqlite = Sqlite::new();
    let publisher = sqlite.publisher().await;
    publisher.publish(message("a")).await.unwrap();
    publisher.publish(message("a")).await.unwrap();
    let consumer = sqlite.consumer(Terms::default()).await;
    let delivery = next(&consumer).await;
    publisher.publish(message("a")).await.unwrap();
    delivery.ack().await.unwrap();
    nothing_within(Duration::from_millis(200), &consumer).await;

    publisher.publish(message("a")).await.unwrap();
    assert_eq!(next(&consumer).await.attempt(), 1);
}

#[tokio::test]
async fn an_insert_that_its_caller_gave_up_is_skipped() {
    let sqlite = Sqlite::new();
    let store = SqliteStore::open(sqlite.store_settings()).await.unwrap();
    let client = sqlite.store_client();
    client.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (waiting, gone) = (document("waiting"), document("gone"));
    let mut waiting = store.insert(&waiting);
    // The first poll sends it; the writer then waits for the lock.
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut waiting).await.is_err());
    assert!(tokio::time::timeout(Duration::ZERO, store.insert(&gone)).await.is_err());
    client.execute_batch("COMMIT").unwrap();
    assert_eq!(waiting.await, Ok(Inserted::New));
    assert_eq!(store.insert(&document("last")).await, Ok(Inserted::New));
    let there = ["waiting", "gone", "last"].map(str::to_owned);
    assert_eq!(Stores::inspect(&sqlite).await.missing(&there).await, Ok(vec!["gone".to_owned()]));
}

#[tokio::test]
async fn settling_after_the_loss_of_the_lease_changes_nothing() {
    let sqlite = Sqlite::new();
    sqlite.publisher().await.publish(message("a")).await.unwrap();
    let terms = Terms { prefetch: 1, ..Terms::default() };
    // It renews so rarely that it does not notice the loss below.
    let settings = SqliteQueueSettings {
        lease: Duration::from_mins(1),
        renew_every: Duration::from_secs(59),
        ..sqlite.queue_settings(terms)
    };
    let first = SqliteConsumer::open(settings).await.unwrap();
    let lost = first.next().await.unwrap();
    sqlite.queue_client().execute("UPDATE messages SET leased_until = 1", []).unwrap();
    // The first consumer is full, so the other takes it.
    let other = sqlite.consumer(terms).await;
    let owned = next(&other).await;
    assert_eq!((owned.message(), owned.attempt()), (&message("a"), 2));

    assert_eq!(lost.ack().await, Err(SettleError::LeaseLost));
    first.close().await.unwrap();
    assert_eq!(Queues::inspect(&sqlite).await.depth().await.unwrap().leased, 1);
    owned.ack().await.unwrap();
    let depth = Queues::inspect(&sqlite).await.depth().await.unwrap();
    assert_eq!((depth.ready, depth.leased, depth.dead_lettered, depth.redelivered), (0, 0, 0, 1));
}

#[tokio::test]
async fn a_prefetched_message_is_not_handed_out_after_the_loss_of_its_lease() {
    let sqlite = Sqlite::new();
    let publisher = sqlite.publisher().await;
    publisher.publish(message("a")).await.unwrap();
    let terms = Terms { prefetch: 1, lease: Duration::from_millis(800), ..Terms::default() };
    let consumer = sqlite.consumer(terms).await;
    sqlite.until_leased(1).await;
    // It is prefetched and not handed out when its row is deleted.
    sqlite.queue_client().execute("DELETE FROM messages", []).unwrap();
    publisher.publish(message("b")).await.unwrap();
    // There is room for the next only after the renewal has noticed that.
    sqlite.until_leased(1).await;
    assert_eq!(next(&consumer).await.message(), &message("b"));
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_dead_lettered_and_block_no_other() {
    let sqlite = Sqlite::new();
    let publisher = sqlite.publisher().await;
    for id in ["headers", "headers-bytes", "attempts", "body", "good"] {
        publisher.publish(message(id)).await.unwrap();
    }
    sqlite
        .queue_client()
        .execute_batch(
            "UPDATE messages SET headers = '{\"b3\":0' WHERE id = 'headers';
             UPDATE messages SET headers = x'ff00' WHERE id = 'headers-bytes';
             UPDATE messages SET attempts = 'many' WHERE id = 'attempts';
             UPDATE messages SET body = 7 WHERE id = 'body';",
        )
        .unwrap();
    // With a prefetch limit of 1, a bad row would block the next.
    let consumer = sqlite.consumer(Terms { prefetch: 1, ..Terms::default() }).await;
    assert_eq!(next(&consumer).await.message(), &message("good"));
    let letters = Queues::inspect(&sqlite).await.dead_letters(10).await.unwrap();
    let letters: Vec<_> = letters.iter().map(|dead| (dead.id.as_str(), dead.reason.as_str())).collect();
    assert_eq!(
        letters,
        [
            ("body", "the stored body is neither text nor blob"),
            ("attempts", "the stored number of attempts is not a number"),
            ("headers-bytes", "the stored headers are not a JSON array of [name, value] pairs"),
            ("headers", "the stored headers are not a JSON array of [name, value] pairs"),
        ]
    );
    assert_eq!(Queues::inspect(&sqlite).await.dead_letters(1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_lease_from_before_the_clock_was_set_back_is_void() {
    let sqlite = Sqlite::new();
    sqlite.publisher().await.publish(message("a")).await.unwrap();
    sqlite
        .queue_client()
        .execute("UPDATE messages SET leased_until = leased_until + 32503680000000", [])
        .unwrap();
    assert_eq!(Queues::inspect(&sqlite).await.depth().await.unwrap().ready, 1);
    let consumer = sqlite.consumer(Terms::default()).await;
    assert_eq!(next(&consumer).await.message(), &message("a"));
}

#[tokio::test]
async fn closing_does_not_count_as_an_attempt() {
    let sqlite = Sqlite::new();
    sqlite.publisher().await.publish(message("a")).await.unwrap();
    for _ in 0..3 {
        let consumer = sqlite.consumer(Terms { delivery_limit: 1, ..Terms::default() }).await;
        sqlite.until_leased(1).await;
        consumer.close().await.unwrap();
    }
    assert_eq!(Queues::inspect(&sqlite).await.depth().await.unwrap().redelivered, 0);
    let consumer = sqlite.consumer(Terms::default()).await;
    assert_eq!(next(&consumer).await.attempt(), 1);
}

#[tokio::test]
async fn an_idle_consumer_notices_a_message() {
    let sqlite = Sqlite::new();
    let settings = SqliteQueueSettings::new(sqlite.directory(), "greeting");
    let consumer = SqliteConsumer::open(settings).await.unwrap();
    let publisher = sqlite.publisher().await;
    // Long enough for the longest interval between polls.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let id = unique();
    publisher.publish(message(&id)).await.unwrap();
    assert_eq!(soon(consumer.next()).await.unwrap().message().id, id);
}
