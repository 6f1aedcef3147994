//! The process is killed at each request of a commit, and another one goes on.

use futures_util::StreamExt as _;
use octet_testbed::{Postgres, S3, eventually};
use serde_json::json;

use crate::hydrate::{borrowed, connectors, downloaded, octet, sink, source, succeeds};

/// More writing requests than a run makes.
const WRITES: usize = 14;
const ROWS: i64 = 25;

/// Kills the process at its `write`-th writing request. Returns whether it came so far.
async fn killed_at(server: &Postgres, s3: &S3, write: usize, takes_effect: bool) -> bool {
    let (door, directory) = (s3.door().await, tempfile::tempdir().expect("a directory"));
    let source = source(
        server,
        &json!({ "mode": "timestamp", "timestamp.column.name": "at", "table.whitelist": "message" }),
    );
    let sink = sink(&json!({
        "topics": "message", "flush.size": "10",
        "partitioner.class": "io.confluent.connect.storage.partitioner.FieldPartitioner",
        "partition.field.name": "body",
    }));
    let prefix = format!("{write}-{takes_effect}/");
    let mut arguments = vec!["hydrate".to_owned(), "--to".to_owned(), format!("s3://lake/{prefix}")];
    arguments.extend(connectors(directory.path(), &[("source", source), ("sink", sink)]));
    door.shut_at(write, takes_effect);
    let mut process = octet(&door.environment())
        .args(&arguments)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("octet");
    eventually("the process reaches the request, or ends", async || {
        door.is_reached() || process.try_wait().expect("a status").is_some()
    })
    .await;
    let is_reached = door.is_reached();
    process.kill().await.expect("a signal");
    drop(door);
    succeeds(&borrowed(&arguments), &s3.environment()).await;
    let ids = downloaded(s3, &prefix, "message", "id");
    assert_eq!(
        ids,
        (1..=ROWS).collect::<Vec<_>>(),
        "killed at write {write}, which takes effect: {takes_effect}"
    );
    is_reached
}

#[tokio::test]
async fn a_process_killed_at_any_request_leaves_every_row_once() {
    let (server, s3) = (Postgres::start().await, S3::start().await);
    let table = format!(
        "CREATE TABLE message (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), body text); \
         INSERT INTO message (at, body) SELECT now() - interval '1 hour', 'b' || n % 2 FROM generate_series(1, {ROWS}) n"
    );
    server.sql("postgres", &table).await.expect("rows");
    let kills = (1..=WRITES).flat_map(|write| [false, true].map(|takes_effect| (write, takes_effect)));
    let kills = kills.map(|(write, takes_effect)| killed_at(&server, &s3, write, takes_effect));
    let reached: Vec<bool> = futures_util::stream::iter(kills).buffered(4).collect().await;
    let count = reached.iter().filter(|reached| **reached).count();
    assert!(count >= 16 && reached.last() == Some(&false), "{reached:?}");
}
