//! Memory stays bounded: with a first load, and with many partitions.

use octet_testbed::Postgres;
use serde_json::json;

use crate::hydrate::{Following, borrowed, connectors, sink, source, succeeds};

const MIB: u64 = 1024 * 1024;

/// About 120 MB, far more than the limit.
const ROWS: u32 = 120_000;

/// A line of `/proc/PID/status`, in bytes.
fn status(following: &Following, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", following.pid())).expect("it runs");
    let value = status.lines().find_map(|text| text.strip_prefix(line)).expect("the line");
    value.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// kafka-connect-jdbc #34, #705: the first load runs out of memory. kafka-connect-storage-cloud #177, #454: so do many
/// partitions, each with a buffer.
#[tokio::test]
async fn a_first_load_into_many_partitions_stays_within_the_limit() {
    let server = Postgres::start().await;
    let table = format!(
        "CREATE TABLE message (id int PRIMARY KEY, at timestamptz NOT NULL, part int NOT NULL, body text); \
         INSERT INTO message SELECT n, timestamptz '2026-01-01+00' + n * interval '1 ms', n % 100, \
             repeat(md5(n::text), 32) FROM generate_series(1, {ROWS}) n"
    );
    server.sql("postgres", &table).await.expect("rows");
    let directory = tempfile::tempdir().expect("a directory");
    let keys = json!({ "mode": "timestamp", "timestamp.column.name": "at", "table.whitelist": "message" });
    let sink = sink(&json!({
        "topics": "message", "flush.size": "1000000", "rotate.schedule.interval.ms": "3600000",
        "partitioner.class": "io.confluent.connect.storage.partitioner.FieldPartitioner",
        "partition.field.name": "part",
        "format.class": "io.confluent.connect.s3.format.parquet.ParquetFormat",
    }));
    let lake = format!("file://{}/lake", directory.path().display());
    let mut arguments = connectors(directory.path(), &[("db", source(&server, &keys)), ("sink", sink)]);
    arguments.extend(["--to".to_owned(), lake.clone()]);
    let environment = [("LAKE_MEMORY", "8MiB".to_owned())];
    let mut following = Following::start(&borrowed(&arguments), &environment).await;
    let before = status(&following, "VmRSS");
    // All but the last rows, which wait for more.
    following.metric_reaches("octet_lake_rows_total", f64::from(ROWS) * 0.9).await;
    let peak = status(&following, "VmHWM");
    assert_eq!(following.end().await, 0);
    // A debug build's own pages, and the object that is being encoded, are not counted by the limit.
    assert!(peak < before + 72 * MIB, "{} MiB at the start, {} MiB at the peak", before / MIB, peak / MIB);
    // The signal ended the reading; the next run copies the rest.
    arguments.insert(0, "hydrate".to_owned());
    succeeds(&borrowed(&arguments), &environment).await;
    let verified = succeeds(&["lake", "verify", "message", "--to", &lake], &[]).await;
    assert!(verified.contains(&format!("{ROWS} rows in")), "{verified}");
}
