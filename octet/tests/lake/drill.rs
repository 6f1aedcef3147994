//! Writers with long transactions, while the process, the database and S3 are killed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use octet_testbed::{Postgres, Psql, S3, eventually};
use serde_json::json;

use crate::hydrate::{Following, borrowed, connectors, downloaded, octet, sink, source, succeeds};

const WRITERS: usize = 8;
const TABLE: &str =
    "CREATE TABLE message (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), body text)";

struct Length {
    /// The whole drill.
    total: Duration,
    /// Between two kills of the process.
    between: Duration,
}

fn length() -> Length {
    if std::env::var_os("DRILL").is_some_and(|length| length == "full") {
        Length { total: Duration::from_mins(5), between: Duration::from_secs(10) }
    } else {
        Length { total: Duration::from_secs(24), between: Duration::from_secs(4) }
    }
}

/// Inserts rows in transactions that stay open up to 2.5 s. Failures are the killed server's.
async fn write(psql: Psql, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        let open = fastrand::u64(..2_500);
        let statements = format!(
            "BEGIN; INSERT INTO message (body) VALUES ('é'); SELECT pg_sleep({open} / 1000.0); \
             INSERT INTO message (body) VALUES ('/%~#='); COMMIT"
        );
        if psql.run(&statements).await.is_err() {
            // Before the next try, of which there are as many as it takes.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
async fn every_row_is_in_the_lake_once_after_kills_of_everything() {
    let length = length();
    let (mut server, mut s3) = (Postgres::start().await, S3::start_durable().await);
    let directory = tempfile::tempdir().expect("a directory");
    server.sql("postgres", TABLE).await.expect("a table");
    let by_time = json!({ "mode": "timestamp", "timestamp.column.name": "at", "table.whitelist": "message", "topic.prefix": "time." });
    let by_id = json!({
        "mode": "incrementing", "incrementing.column.name": "id",
        "query": "SELECT id, body, at FROM message WHERE id > 0", "topic.prefix": "id",
    });
    let by_body = json!({
        "topics": "time.message", "flush.size": "20",
        "partitioner.class": "io.confluent.connect.storage.partitioner.FieldPartitioner",
        "partition.field.name": "body",
    });
    let arguments = connectors(
        directory.path(),
        &[
            ("time", source(&server, &by_time)),
            ("id", source(&server, &by_id)),
            ("by_body", sink(&by_body)),
            ("plain", sink(&json!({ "topics": "id", "flush.size": "50" }))),
        ],
    );
    let environment = s3.environment();
    let is_over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> =
        (0..WRITERS).map(|_| tokio::spawn(write(server.client("postgres"), is_over.clone()))).collect();

    let started = Instant::now();
    let (mut kills, mut has_killed_postgres, mut has_killed_s3) = (0, false, false);
    while started.elapsed() < length.total {
        let following = Following::start(&borrowed(&arguments), &environment).await;
        let end = Instant::now() + length.between;
        // In the middle of a process's life, which must then go on by itself.
        tokio::time::sleep(length.between / 2).await;
        if !has_killed_postgres && started.elapsed() > length.total / 3 {
            has_killed_postgres = true;
            server.restart().await;
        } else if !has_killed_s3 && started.elapsed() > length.total / 2 {
            has_killed_s3 = true;
            s3.restart().await;
        }
        tokio::time::sleep(end.saturating_duration_since(Instant::now())).await;
        following.kill().await;
        kills += 1;
    }
    assert!(has_killed_postgres && has_killed_s3);
    is_over.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("a writer");
    }
    let mut arguments = arguments;
    arguments.insert(0, "hydrate".to_owned());
    let ids = server.sql("postgres", "SELECT id FROM message ORDER BY id").await.expect("ids");
    let ids: Vec<i64> = ids.lines().map(|id| id.parse().expect("a number")).collect();
    // `timestamp.delay.interval.ms`, by the database's clock.
    let are_final = "SELECT max(at) < clock_timestamp() - interval '1 second' FROM message";
    eventually("the last rows are final", async || {
        server.sql("postgres", are_final).await.as_deref() == Ok("t")
    })
    .await;
    succeeds(&borrowed(&arguments), &environment).await;
    for topic in ["time.message", "id"] {
        let copied = downloaded(&s3, "", topic, "id");
        assert!(
            copied == ids,
            "{topic}: {} rows of {}: {:?}",
            copied.len(),
            ids.len(),
            difference(&copied, &ids)
        );
        let verified = succeeds(&["lake", "verify", topic, "--to", "s3://lake"], &environment).await;
        println!("{kills} kills, {} s: {verified}", started.elapsed().as_secs());
    }
}

/// The first ids that one list has more often than the other.
fn difference(copied: &[i64], ids: &[i64]) -> Vec<(i64, usize, usize)> {
    let count = |list: &[i64], id: i64| list.iter().filter(|other| **other == id).count();
    let all: std::collections::BTreeSet<i64> = copied.iter().chain(ids).copied().collect();
    let counts = all.into_iter().map(|id| (id, count(copied, id), count(ids, id)));
    counts.filter(|(_, copied, ids)| copied != ids).take(10).collect()
}

#[tokio::test]
async fn of_two_processes_one_stops_and_rows_are_there_once() {
    let (server, s3) = (Postgres::start().await, S3::start().await);
    let directory = tempfile::tempdir().expect("a directory");
    server.sql("postgres", TABLE).await.expect("a table");
    let keys = json!({ "mode": "timestamp", "timestamp.column.name": "at", "table.whitelist": "message" });
    let arguments = connectors(
        directory.path(),
        &[
            ("source", source(&server, &keys)),
            ("sink", sink(&json!({ "topics": "message", "flush.size": "10" }))),
        ],
    );
    let environment = s3.environment();
    let insert = "INSERT INTO message (body) SELECT 'x' FROM generate_series(1, 100)";
    server.sql("postgres", insert).await.expect("rows");
    let mut first = Following::start(&borrowed(&arguments), &environment).await;
    eventually("the first process copies", async || downloaded(&s3, "", "message", "id").len() == 100).await;

    let mut second = octet(&environment);
    second.args(["hydrate", "--follow"]).args(&arguments).env("ADMIN_PORT", "127.0.0.1:0");
    let second = tokio::time::timeout(crate::hydrate::PATIENCE, second.output()).await.expect("it ends");
    let second = second.expect("a process");
    let errors = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{errors}");
    assert!(errors.contains("another process writes the topic message"), "{errors}");

    server.sql("postgres", insert).await.expect("rows");
    eventually("the first process goes on", async || downloaded(&s3, "", "message", "id").len() == 200).await;
    assert_eq!(first.end().await, 0);
    assert_eq!(downloaded(&s3, "", "message", "id"), (1..=200).collect::<Vec<_>>());
}
