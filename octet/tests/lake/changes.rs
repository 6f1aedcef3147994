//! What changes in the middle: columns, and the space on the disk.

use std::{fs, path::Path, process::Command};

use octet_testbed::{Postgres, eventually};
use serde_json::{Value, json};

use crate::hydrate::{Following, borrowed, connectors, objects, rows, sink, source};

const TABLE: &str =
    "CREATE TABLE message (id serial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), body text)";

fn arguments(server: &Postgres, directory: &Path, root: &Path, sink_keys: &Value) -> Vec<String> {
    let keys = json!({
        "mode": "timestamp", "timestamp.column.name": "at", "table.whitelist": "message",
        "timestamp.delay.interval.ms": "0", "poll.interval.ms": "20",
    });
    let mut arguments = connectors(directory, &[("db", source(server, &keys)), ("sink", sink(sink_keys))]);
    arguments.extend(["--to".to_owned(), format!("file://{}", root.display())]);
    arguments
}

#[tokio::test]
async fn a_column_added_in_the_middle_begins_a_new_object_and_older_rows_have_null() {
    let server = Postgres::start().await;
    server.sql("postgres", TABLE).await.expect("a table");
    server.sql("postgres", "INSERT INTO message (body) VALUES ('a'), ('b')").await.expect("rows");
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("lake");
    let parquet = json!({
        "topics": "message", "flush.size": "1000", "rotate.schedule.interval.ms": "200",
        "format.class": "io.confluent.connect.s3.format.parquet.ParquetFormat",
    });
    let arguments = arguments(&server, directory.path(), &root, &parquet);
    let mut following = Following::start(&borrowed(&arguments), &[]).await;
    following.metric_reaches("octet_lake_rows_total", 2.0).await;
    let alter =
        "ALTER TABLE message ADD price numeric(9, 2); INSERT INTO message (body, price) VALUES ('c', 1.5)";
    server.sql("postgres", alter).await.expect("a column");
    following.metric_reaches("octet_lake_rows_total", 3.0).await;
    // A poll may find a column that is not there any more when its rows are read.
    for _ in 0..20 {
        server.sql("postgres", "ALTER TABLE message ADD passing int").await.expect("a column");
        server.sql("postgres", "ALTER TABLE message DROP passing").await.expect("a column");
    }
    // Dropped: its column stays, null. A type that holds all values widens.
    let alter = "ALTER TABLE message DROP body; ALTER TABLE message ALTER id TYPE bigint; \
         INSERT INTO message (id, price) VALUES (5000000000, 2)";
    server.sql("postgres", alter).await.expect("a change");
    following.metric_reaches("octet_lake_rows_total", 4.0).await;
    assert_eq!(following.end().await, 0);
    assert_eq!(objects(&root, "message").len(), 3);
    let rows = rows("duckdb", &root, "message", "id");
    let values: Vec<_> =
        rows.iter().map(|row| (row["id"].clone(), row["body"].clone(), row["price"].clone())).collect();
    let expected = [
        (json!(1), json!("a"), Value::Null),
        (json!(2), json!("b"), Value::Null),
        (json!(3), json!("c"), json!("1.50")),
    ];
    assert_eq!(values[..3], expected);
    assert_eq!(values[3], (json!(5_000_000_000_i64), Value::Null, json!("2.00")));
}

/// A small file system, unmounted at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where this user may not mount one.
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "octet"])
            .arg(directory.path())
            .output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_stops_nothing_for_good_and_every_row_is_there_once_it_has_space() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("a_full_disk_…: SKIPPED, because mounting a tmpfs needs root");
        return;
    };
    let server = Postgres::start().await;
    server.sql("postgres", TABLE).await.expect("a table");
    let rows_of = "INSERT INTO message (body) SELECT repeat('x', 1000) FROM generate_series(1, 400)";
    server.sql("postgres", rows_of).await.expect("rows");
    let filler = disk.path().join("filler");
    fs::write(&filler, vec![0; 800 * 1024]).expect("a file");
    let directory = tempfile::tempdir().expect("a directory");
    let root = disk.path().join("lake");
    let keys = json!({ "topics": "message", "flush.size": "50", "rotate.schedule.interval.ms": "200" });
    let arguments = arguments(&server, directory.path(), &root, &keys);
    let mut following = Following::start(&borrowed(&arguments), &[]).await;
    following.is_not_ready("No space left on device").await;
    eventually("it is tried again", async || {
        let (_, metrics) = following.get("/metrics").await;
        metrics.contains("octet_lake_errors_total{topic=\"message\"} 2")
    })
    .await;
    fs::remove_file(filler).expect("our own file");
    following.metric_reaches("octet_lake_rows_total", 400.0).await;
    following.is_ready().await;
    assert_eq!(following.end().await, 0);
    let ids: Vec<_> = rows("pyarrow", &root, "message", "id").iter().map(|row| row["id"].as_i64()).collect();
    assert_eq!(ids, (1..=400).map(Some).collect::<Vec<_>>());
}
