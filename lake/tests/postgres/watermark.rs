//! Rows are read once they are final, and not before.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use octet_lake::source::{Source as _, postgres::Sample};
use octet_testbed::eventually;

use super::collect::{BY_TIME, MESSAGE, Server, connect, connect_to, read, source};

const WRITERS: usize = 8;

const BY_ID: [(&str, &str); 3] =
    [("table.whitelist", "message"), ("mode", "incrementing"), ("incrementing.column.name", "id")];

/// The JDBC source's query loses rows here: kafka-connect-jdbc #27, #172, and with `incrementing` #1015.
#[tokio::test]
async fn rows_of_transactions_that_commit_late_are_read_once() {
    let server = Arc::new(Server::start().await);
    let client = connect(&server).await;
    client.batch_execute(MESSAGE).await.expect("a table");
    let is_long = std::env::var_os("DRILL").is_some_and(|length| length == "full");
    let end = Instant::now() + Duration::from_secs(if is_long { 300 } else { 10 });
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        let writer = connect(&server).await;
        writers.push(tokio::spawn(async move {
            while Instant::now() < end {
                writer.batch_execute("BEGIN; INSERT INTO message (body) VALUES ('é')").await.expect("a row");
                tokio::time::sleep(Duration::from_millis(fastrand::u64(..2_500))).await;
                let commit = "INSERT INTO message (body) VALUES ('/%~#='); COMMIT";
                writer.batch_execute(commit).await.expect("a commit");
            }
        }));
    }
    let is_over = Arc::new(AtomicBool::new(false));
    // A session has its now() before it holds the lock that shows its transaction: the default delay covers that.
    let by_time = follow(Arc::clone(&server), BY_TIME.to_vec(), "1000", Arc::clone(&is_over));
    let by_id = follow(Arc::clone(&server), BY_ID.to_vec(), "0", Arc::clone(&is_over));
    let (by_time, by_id) = (tokio::spawn(by_time), tokio::spawn(by_id));
    for writer in writers {
        writer.await.expect("a writer");
    }
    is_over.store(true, Ordering::Relaxed);
    let written: i64 = client.query_one("SELECT count(*) FROM message", &[]).await.expect("a count").get(0);
    for (mode, reader) in [("timestamp", by_time), ("incrementing", by_id)] {
        let (early, seen) = reader.await.expect("a reader");
        assert!(early > 0, "{mode}: nothing was read while rows were written");
        assert_eq!(seen.len(), usize::try_from(written).expect("a count"), "{mode}: rows are missing");
        assert!(seen.values().all(|times| *times == 1), "{mode}: rows were read twice: {seen:?}");
    }
}

/// How often each id is read until the writers have ended, and how many rows before that.
async fn follow(
    server: Arc<Server>,
    keys: Vec<(&'static str, &'static str)>,
    delay: &'static str,
    is_over: Arc<AtomicBool>,
) -> (usize, BTreeMap<i64, usize>) {
    let with_delay = |delay| {
        let keys: Vec<_> = keys.iter().copied().chain([("timestamp.delay.interval.ms", delay)]).collect();
        source(&server, &keys)
    };
    let (mut seen, mut position, mut early) = (BTreeMap::new(), None, 0);
    loop {
        let is_last = is_over.load(Ordering::Relaxed);
        // As after a crash: nothing but the position remains.
        let mut reader = with_delay(if is_last { "0" } else { delay });
        reader.topics().await.expect("topics");
        let page = read(&mut reader, "message", position.as_ref()).await.expect("rows");
        for id in page.ids() {
            *seen.entry(id).or_insert(0) += 1;
        }
        position = page.end().or(position);
        if is_last {
            return (early, seen);
        }
        early = seen.len();
    }
}

#[tokio::test]
async fn an_open_or_prepared_transaction_holds_the_bound() {
    let server = Server::start().await;
    let (client, writer) = (connect(&server).await, connect(&server).await);
    client.batch_execute(MESSAGE).await.expect("a table");
    let none = [];
    writer.batch_execute("BEGIN; INSERT INTO message (body) VALUES ('late')").await.expect("a row");
    let mut sample = Sample::take(&client, Duration::ZERO, &none).await.expect("a sample");
    assert_eq!(sample.bound(&client, &none).await.expect("the locks"), None);
    let holders = sample.holders(&client, &none).await.expect("holders");
    assert!(holders[0].starts_with("pid "), "{holders:?}");
    writer.batch_execute("PREPARE TRANSACTION 'late'").await.expect("a prepared transaction");
    let mut prepared = Sample::take(&client, Duration::ZERO, &none).await.expect("a sample");
    assert_eq!(prepared.bound(&client, &none).await.expect("the locks"), None);
    // The server's own processes, such as autovacuum's, have transactions for a moment too.
    eventually("no other holder", async || {
        prepared.holders(&client, &none).await.expect("holders") == ["a prepared transaction"]
    })
    .await;
    let first = sample.bound(&client, &none).await.expect("the locks");
    assert_eq!(first, None, "the sample's transaction was prepared, and has not ended");
    writer.batch_execute("COMMIT PREPARED 'late'").await.expect("a commit");
    for sample in [&mut prepared, &mut sample] {
        eventually("a bound", async || sample.bound(&client, &none).await.expect("the locks")).await;
    }
}

#[tokio::test]
async fn sessions_that_write_nothing_do_not_hold_the_bound() {
    let server = Server::start().await;
    let client = connect(&server).await;
    let mut open = Vec::new();
    for session in ["application_name=pg_dump", "application_name='octet hydrate'", "dbname=postgres"] {
        let other = connect_to(&format!("{} {session}", server.url())).await;
        other.batch_execute("BEGIN; SELECT 1").await.expect("a transaction");
        open.push(other);
        let ignored = ["pg_dump".to_owned()];
        eventually(session, async || {
            let mut sample = Sample::take(&client, Duration::ZERO, &ignored).await.expect("a sample");
            sample.bound(&client, &ignored).await.expect("the locks")
        })
        .await;
    }
    let mut sample = Sample::take(&client, Duration::ZERO, &[]).await.expect("a sample");
    assert_eq!(
        sample.bound(&client, &[]).await.expect("the locks"),
        None,
        "pg_dump is not ignored by default"
    );
}

#[tokio::test]
async fn waiting_for_the_bound_may_be_interrupted() {
    let server = Server::start().await;
    let (client, writer) = (connect(&server).await, connect(&server).await);
    client.batch_execute(MESSAGE).await.expect("a table");
    writer.batch_execute("BEGIN; INSERT INTO message (body) VALUES ('late')").await.expect("a row");
    let mut reader = source(&server, &BY_TIME);
    reader.topics().await.expect("topics");
    for _ in 0..5 {
        let waited = tokio::time::timeout(Duration::from_millis(30), reader.settle()).await;
        assert!(waited.is_err(), "the open transaction was not waited for");
    }
    writer.batch_execute("COMMIT").await.expect("a commit");
    // The first sample began before the commit, so its bound is before the row's timestamp or after it.
    let first = read(&mut reader, "message", None).await.expect("rows");
    let second = read(&mut reader, "message", first.end().as_ref()).await.expect("rows");
    assert_eq!(first.ids().len() + second.ids().len(), 1);
}
