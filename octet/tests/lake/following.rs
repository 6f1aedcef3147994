//! `--follow`: new rows, readiness, metrics, failures that pass, and the end by a signal.

use octet_testbed::{Postgres, S3};
use serde_json::json;

use crate::hydrate::{Following, borrowed, connectors, downloaded, rows, sink, source};

const TABLE: &str =
    "CREATE TABLE message (id serial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), body text)";

fn insert(count: u32) -> String {
    format!("INSERT INTO message (body) SELECT 'x' FROM generate_series(1, {count})")
}

/// kafka-connect-storage-cloud #144: the last records stay in memory until new ones come.
#[tokio::test]
async fn new_rows_are_committed_after_the_rotation_and_a_signal_commits_the_rest() {
    let server = Postgres::start().await;
    server.sql("postgres", TABLE).await.expect("a table");
    server.sql("postgres", &insert(7)).await.expect("rows");
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("lake");
    let keys = json!({
        "mode": "timestamp", "timestamp.column.name": "at", "table.whitelist": "message",
        "timestamp.delay.interval.ms": "0",
    });
    let files = |rotation: &str| {
        let sink = sink(&json!({
            "topics": "message", "flush.size": "1000", "rotate.schedule.interval.ms": rotation,
        }));
        let mut arguments =
            connectors(directory.path(), &[("source", source(&server, &keys)), ("sink", sink)]);
        arguments.extend(["--to".to_owned(), format!("file://{}", root.display())]);
        arguments
    };
    let mut following = Following::start(&borrowed(&files("300")), &[]).await;
    following.metric_reaches("octet_lake_rows_total", 7.0).await;
    following.is_ready().await;
    let (_, metrics) = following.get("/metrics").await;
    for series in ["octet_lake_watermark_lag_seconds", "octet_lake_commit_seconds", "octet_lake_stopped"] {
        assert!(metrics.contains(series), "{series}: {metrics}");
    }
    server.sql("postgres", &insert(5)).await.expect("rows");
    following.metric_reaches("octet_lake_rows_total", 12.0).await;
    assert_eq!(following.end().await, 0);
    let mut following = Following::start(&borrowed(&files("3600000")), &[]).await;
    server.sql("postgres", &insert(3)).await.expect("rows");
    following.metric_reaches("octet_lake_pending_rows", 3.0).await;
    assert_eq!(following.end().await, 0);
    let rows = rows("duckdb", &root, "message", "id");
    assert_eq!(
        rows.iter().map(|row| row["id"].as_i64()).collect::<Vec<_>>(),
        (1..=15).map(Some).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn outages_of_the_database_and_of_s3_pass_and_readiness_names_them() {
    let (mut server, mut s3) = (Postgres::start().await, S3::start_durable().await);
    server.sql("postgres", TABLE).await.expect("a table");
    server.sql("postgres", &insert(10)).await.expect("rows");
    let directory = tempfile::tempdir().expect("a directory");
    let keys = json!({ "mode": "timestamp", "timestamp.column.name": "at", "table.whitelist": "message" });
    let files = [
        ("db", source(&server, &keys)),
        (
            "sink",
            sink(&json!({ "topics": "message", "flush.size": "1000", "rotate.schedule.interval.ms": "200" })),
        ),
    ];
    let arguments = connectors(directory.path(), &files);
    let mut following = Following::start(&borrowed(&arguments), &s3.environment()).await;
    following.metric_reaches("octet_lake_rows_total", 10.0).await;

    server.kill();
    following.is_not_ready("db: PostgreSQL").await;
    let line = following.logs("trying again").await;
    assert_eq!(line["source"], "db", "{line}");
    server.restart().await;
    following.is_ready().await;

    s3.kill();
    server.sql("postgres", &insert(10)).await.expect("rows");
    following.is_not_ready("message: S3").await;
    s3.restart().await;
    following.metric_reaches("octet_lake_rows_total", 20.0).await;
    following.is_ready().await;
    assert_eq!(following.end().await, 0);
    let ids = downloaded(&s3, "", "message", "id");
    assert_eq!(ids.len(), 20, "{ids:?}");
}

#[tokio::test]
async fn one_topic_that_cannot_be_copied_stops_alone_and_the_process_ends_when_all_have() {
    let server = Postgres::start().await;
    let tables =
        format!("{TABLE}; CREATE TABLE other (id int, at timestamptz); INSERT INTO other VALUES (1, NULL)");
    server.sql("postgres", &tables).await.expect("tables");
    let directory = tempfile::tempdir().expect("a directory");
    let keys = json!({
        "mode": "timestamp", "timestamp.column.name": "at", "table.whitelist": "message,other",
        "timestamp.delay.interval.ms": "0",
    });
    let sink = sink(&json!({ "topics.regex": ".*", "flush.size": "10" }));
    let mut arguments = connectors(directory.path(), &[("db", source(&server, &keys)), ("sink", sink)]);
    arguments.extend(["--to".to_owned(), format!("file://{}/lake", directory.path().display())]);
    let mut following = Following::start(&borrowed(&arguments), &[]).await;
    let line = following.logs("the topic has stopped").await;
    assert!(
        line["topic"] == "other" && line["reason"].as_str().expect("a text").contains("NULL in at"),
        "{line}"
    );
    server.sql("postgres", &insert(10)).await.expect("rows");
    following.metric_reaches("octet_lake_rows_total", 10.0).await;
    server
        .sql("postgres", "ALTER TABLE message ALTER at DROP NOT NULL; INSERT INTO message (at) VALUES (NULL)")
        .await
        .expect("a row");
    // Counted once a minute, and at once by a process that starts.
    assert_eq!(following.end().await, 1);
    let mut following = Following::start(&borrowed(&arguments), &[]).await;
    assert_eq!(following.ended().await, 1);
}
