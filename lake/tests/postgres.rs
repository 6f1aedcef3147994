//! Against a real `PostgreSQL`: every row is copied once, whatever commits late or is interrupted.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test support: a failure here must end the test"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use octet_lake::{LakeError, Position, Sample, Table, Topic, hydrate};
use octet_testbed::{Postgres, eventually};
use tokio_postgres::{Client, NoTls};

const WRITERS: usize = 8;

/// A session has its `now()` before it holds the lock that shows its transaction, on a busy machine for many milliseconds.
const GUARD: u32 = 1_000;

async fn connect(server: &Postgres) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.expect("a connection");
    tokio::spawn(connection);
    // A role may have other settings than the database's default.
    client
        .batch_execute("SET DateStyle TO 'SQL, DMY'; SET TimeZone TO 'Asia/Kolkata'")
        .await
        .expect("settings");
    client
}

async fn table(client: &Client) -> Table {
    let create = "CREATE TABLE message (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), \
        body text, amount numeric)";
    client.batch_execute(create).await.expect("a table");
    Table { name: "message".to_owned(), timestamp: "at".to_owned(), key: "id".to_owned() }
}

/// How often each id is in the topic's objects, which are named by offsets without a gap.
fn copied(root: &Path) -> BTreeMap<i64, usize> {
    let mut ids = BTreeMap::new();
    let directory = root.join("topics/message/partition=0");
    let mut names: Vec<String> = fs::read_dir(&directory)
        .map(|files| {
            files.map(|file| file.expect("a file").file_name().into_string().expect("UTF-8")).collect()
        })
        .unwrap_or_default();
    names.sort();
    let mut offset = 0;
    for name in names {
        assert_eq!(name, format!("message+0+{offset:010}.json"));
        for line in fs::read_to_string(directory.join(name)).expect("an object").lines() {
            let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
            *ids.entry(record["id"].as_i64().expect("an id")).or_default() += 1;
            offset += 1;
        }
    }
    ids
}

/// Another test's server has a copy of the lock between its fork and its start.
async fn reopen(root: &Path) -> Topic {
    eventually("the lock is released", async || Topic::open(root, "message")).await
}

/// Copies all rows that are committed now.
async fn catch_up(client: &Client, table: &Table, topic: &mut Topic) {
    let mut sample = Sample::take(client, 0).await.expect("a sample");
    let bound = eventually("open transactions end", async || {
        sample.bound(client).await.expect("the locks").map(str::to_owned)
    });
    hydrate(client, table, &bound.await, topic).await.expect("rows are copied");
}

#[tokio::test]
async fn rows_of_transactions_that_commit_late_are_copied_once() {
    let server = Postgres::start().await;
    let client = connect(&server).await;
    let table = table(&client).await;
    let root = tempfile::tempdir().expect("a directory");
    let mut topic = Topic::open(root.path(), "message").expect("a topic");

    let is_long = std::env::var_os("DRILL").is_some_and(|length| length == "full");
    let end = Instant::now() + Duration::from_secs(if is_long { 300 } else { 12 });
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        let writer = connect(&server).await;
        writers.push(tokio::spawn(async move {
            while Instant::now() < end {
                writer.batch_execute("BEGIN; INSERT INTO message (body) VALUES ('é')").await.expect("a row");
                tokio::time::sleep(Duration::from_millis(fastrand::u64(..2_500))).await;
                let commit =
                    "INSERT INTO message (body, amount) VALUES ('/%~#=', 12345678901234567890.5); COMMIT";
                writer.batch_execute(commit).await.expect("a commit");
            }
        }));
    }
    let mut largest_step = 0;
    while writers.iter().any(|writer| !writer.is_finished()) {
        let mut sample = Sample::take(&client, GUARD).await.expect("a sample");
        let bound = eventually("open transactions end", async || {
            sample.bound(&client).await.expect("the locks").map(str::to_owned)
        });
        let rows = hydrate(&client, &table, &bound.await, &mut topic).await.expect("rows are copied");
        largest_step = largest_step.max(rows);
        // As after a kill: nothing but the files remains.
        drop(topic);
        topic = reopen(root.path()).await;
    }
    assert!(largest_step > 0, "nothing was copied while rows were written");
    for writer in writers {
        writer.await.expect("a writer");
    }
    catch_up(&client, &table, &mut topic).await;

    let written: i64 = client.query_one("SELECT count(*) FROM message", &[]).await.expect("a count").get(0);
    let copied = copied(root.path());
    assert_eq!(copied.len(), usize::try_from(written).expect("a count"), "rows are missing");
    assert!(copied.values().all(|times| *times == 1), "rows are in the lake twice: {copied:?}");
}

#[tokio::test]
async fn an_open_or_prepared_transaction_holds_the_bound() {
    let server = Postgres::start().await;
    let (client, writer) = (connect(&server).await, connect(&server).await);
    let table = table(&client).await;
    writer.batch_execute("BEGIN; INSERT INTO message (body) VALUES ('late')").await.expect("a row");
    let mut sample = Sample::take(&client, 0).await.expect("a sample");
    assert_eq!(sample.bound(&client).await.expect("the locks"), None);
    writer.batch_execute("PREPARE TRANSACTION 'late'").await.expect("a prepared transaction");
    let mut prepared = Sample::take(&client, 0).await.expect("a sample");
    assert_eq!(prepared.bound(&client).await.expect("the locks"), None);
    writer.batch_execute("COMMIT PREPARED 'late'").await.expect("a commit");
    assert!(prepared.bound(&client).await.expect("the locks").is_some());

    let root = tempfile::tempdir().expect("a directory");
    let mut topic = Topic::open(root.path(), "message").expect("a topic");
    catch_up(&client, &table, &mut topic).await;
    assert_eq!(copied(root.path()).len(), 1);
}

#[tokio::test]
async fn equal_timestamps_survive_a_restart_between_two_objects() {
    let server = Postgres::start().await;
    let client = connect(&server).await;
    let table = table(&client).await;
    let rows = "INSERT INTO message (body) SELECT 'same transaction' FROM generate_series(1, 250)";
    client.batch_execute(rows).await.expect("rows");
    let root = tempfile::tempdir().expect("a directory");
    let mut topic = Topic::open(root.path(), "message").expect("a topic");
    catch_up(&client, &table, &mut topic).await;

    // Back to the first of three commits, interrupted in the second: its object is there, and named in the state.
    drop(topic);
    let state = root.path().join("topics/_octet/message.json");
    let last = "SELECT at::text FROM message WHERE id = 100";
    let timestamp: String = client.query_one(last, &[]).await.expect("a row").get(0);
    let second = "topics/message/partition=0/message+0+0000000100.json";
    let position = serde_json::json!({"timestamp": timestamp, "key": "100"});
    let interrupted = serde_json::json!({"position": position, "next_offset": 100, "pending": second});
    fs::write(&state, interrupted.to_string()).expect("the state");
    fs::remove_file(root.path().join("topics/message/partition=0/message+0+0000000200.json"))
        .expect("an object");

    let mut topic = reopen(root.path()).await;
    assert_eq!(copied(root.path()).len(), 100, "the pending object is removed");
    catch_up(&client, &table, &mut topic).await;
    let copied = copied(root.path());
    assert_eq!(copied.len(), 250);
    assert!(copied.values().all(|times| *times == 1));
}

#[tokio::test]
async fn a_topic_has_one_writer_at_a_time() {
    let root = tempfile::tempdir().expect("a directory");
    let mut first = Topic::open(root.path(), "message").expect("a topic");
    let second = Topic::open(root.path(), "message").err();
    assert!(matches!(second, Some(LakeError::Busy(topic)) if topic == "message"));
    let last = Position { timestamp: "2026-01-01 00:00:00+00".to_owned(), key: "1".to_owned() };
    first.commit(&[r#"{"id":1}"#.to_owned()], last.clone()).expect("a commit");
    drop(first);
    let next = reopen(root.path()).await;
    assert_eq!(next.position(), Some(&last));
}
