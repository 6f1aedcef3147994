//! SQLite files shared by processes, one of which may be killed at any moment.

use std::{collections::HashSet, time::Duration};

use octet_backends::store::Inserted;
use tokio::time;

use crate::{
    Queues, Stores, Terms,
    child::Child,
    factories::{document, next, soon},
    sqlite::Sqlite,
};

#[tokio::test]
async fn two_processes_insert_at_the_same_time_and_lose_nothing() {
    let sqlite = Sqlite::new();
    let store = sqlite.store().await;
    let mut first = Child::start("insert", &sqlite.directory());
    let mut second = Child::start("insert", &sqlite.directory());
    // This process inserts, too.
    for number in 0..200 {
        let inserted = store.insert(&document(&format!("parent-{number}"))).await;
        assert_eq!(inserted, Ok(Inserted::New));
    }
    let (first, second) = tokio::join!(first.says_to_the_end(), second.says_to_the_end());
    assert_eq!((first.len(), second.len()), (1_000, 1_000));
    assert_eq!(Stores::inspect(&sqlite).await.count().await, Ok(2_200));
    assert_eq!(Stores::inspect(&sqlite).await.missing(&[first, second].concat()).await, Ok(vec![]));
}

#[tokio::test]
async fn killing_a_process_while_it_inserts_loses_nothing_confirmed() {
    let sqlite = Sqlite::new();
    let mut confirmed = Vec::new();
    for _ in 0..3 {
        let mut child = Child::start("insert", &sqlite.directory());
        for _ in 0..fastrand::usize(50..400) {
            confirmed.push(child.says().await.unwrap());
        }
        child.kill().await;
        confirmed.extend(complete(child.says_to_the_end().await));
    }
    assert_eq!(Stores::inspect(&sqlite).await.missing(&confirmed).await, Ok(vec![]));
    let sound: String =
        sqlite.store_client().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[tokio::test]
async fn killing_a_process_while_it_publishes_loses_nothing_confirmed() {
    let sqlite = Sqlite::new();
    let consumer = sqlite.consumer(Terms::default()).await;
    let mut child = Child::start("publish", &sqlite.directory());
    let mut confirmed = HashSet::new();
    for _ in 0..300 {
        confirmed.insert(child.says().await.unwrap());
    }
    child.kill().await;
    confirmed.extend(complete(child.says_to_the_end().await));

    let mut received = HashSet::new();
    soon(async {
        while !confirmed.is_subset(&received) {
            let delivery = consumer.next().await.unwrap();
            assert!(
                received.insert(delivery.message().id.clone()),
                "delivered twice, although no consumer crashed"
            );
            delivery.ack().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_process_publishes_while_another_consumes_each_message_once() {
    let sqlite = Sqlite::new();
    let consumer = sqlite.consumer(Terms { prefetch: 50, ..Terms::default() }).await;
    let mut child = Child::start("publish", &sqlite.directory());
    let received = async {
        let mut received = HashSet::new();
        while received.len() < 1_000 {
            let delivery = next(&consumer).await;
            assert!(received.insert(delivery.message().id.clone()));
            delivery.ack().await.unwrap();
        }
        received
    };
    let (received, published) = tokio::join!(received, child.says_to_the_end());
    assert_eq!(received, published.into_iter().collect());
    sqlite.until_leased(0).await;
    assert_eq!(Queues::inspect(&sqlite).await.depth().await.unwrap().redelivered, 0);
}

#[tokio::test]
async fn a_dead_processs_files_can_be_inspected() {
    let sqlite = Sqlite::new();
    let mut child = Child::start("publish", &sqlite.directory());
    let id = child.says().await.unwrap();
    child.kill().await;
    // No process has the file open, and its WAL is as the dead process left it.
    let inspect = Queues::inspect(&sqlite).await;
    assert_eq!(inspect.pending(std::slice::from_ref(&id)).await.unwrap().queued, [id]);
    assert!(inspect.depth().await.unwrap().ready >= 1);
    assert!(sqlite.queue_file().with_extension("sqlite-wal").exists(), "inspection changes nothing");
}

#[tokio::test]
async fn a_held_message_is_hidden_while_its_process_lives() {
    let sqlite = Sqlite::new();
    sqlite.publisher().await.publish(crate::factories::message("a")).await.unwrap();
    let mut child = sqlite.taken_by_a_process().await;
    let consumer = sqlite.consumer(Terms::default()).await;
    assert!(time::timeout(Duration::from_millis(1_800), consumer.next()).await.is_err(), "two leases long");
    child.kill().await;
    assert_eq!(next(&consumer).await.attempt(), 2);
}

/// The lines without the last, which the kill may have truncated.
fn complete(mut lines: Vec<String>) -> Vec<String> {
    lines.pop();
    lines
}
