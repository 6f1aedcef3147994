//! Objects read back by pyarrow, by `DuckDB` and by the lake itself.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test support: a failure here must end the test"
)]

use std::{collections::BTreeMap, path::Path, sync::Arc};

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray,
    RecordBatch, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray, types::Int32Type,
};
use octet_lake::{
    Findings, Keys, Lake, LakeError, RowPosition as Position, SinkOptions, TopicWriter, inspect,
};
use octet_testbed::lake_rows;
use serde_json::{Value, json};

const COUNTRIES: [&str; 7] = ["Côte d'Ivoire", "a/b", "50%", "~x", "a=b#c", "", "日本"];

fn options(pairs: &[(&str, &str)]) -> SinkOptions {
    let values: BTreeMap<_, _> =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let (mut keys, mut findings) = (Keys::new("sink", values), Findings::default());
    let options = SinkOptions::take(&mut keys, &mut findings);
    assert_eq!(findings, Findings::default());
    options
}

/// Rows with every type, the last of which is null but for its id.
fn rows() -> RecordBatch {
    let list =
        ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), Some(vec![]), None]);
    let decimals = Decimal128Array::from(vec![Some(12_345_678_901_234_567_890), Some(-1), None]);
    let columns: [(&str, ArrayRef); 10] = [
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("text", Arc::new(StringArray::from(vec![Some("a\n\"é\" \u{1F600}"), Some(""), None]))),
        ("price", Arc::new(decimals.with_precision_and_scale(25, 4).expect("a precision"))),
        ("share", Arc::new(Float64Array::from(vec![Some(0.1), Some(f64::INFINITY), None]))),
        ("is_new", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(20_516), Some(-1), None]))),
        ("hour", Arc::new(Time64MicrosecondArray::from(vec![Some(86_399_999_999), Some(0), None]))),
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_772_600_767_089_012), Some(-1), None])
                    .with_timezone("+00:00"),
            ),
        ),
        ("bytes", Arc::new(BinaryArray::from_opt_vec(vec![Some(&[0, 255]), Some(&[]), None]))),
        ("list", Arc::new(list)),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

async fn write(root: &Path, keys: &[(&str, &str)], batches: &[RecordBatch]) -> Lake {
    let lake = Lake::directory(root);
    let mut writer = TopicWriter::open(&lake, "t", &options(keys)).await.expect("a writer");
    writer.commit(batches, Position(json!(1))).await.expect("a commit");
    writer.close().await.expect("the end");
    lake
}

fn read(library: &str, root: &Path, order: &str) -> Vec<Value> {
    let rows = lake_rows(library, &root.join("topics/t"), order);
    rows.iter().map(|row| serde_json::from_str(row).expect("JSON")).collect()
}

#[tokio::test]
async fn pyarrow_and_duckdb_read_every_type_of_every_compression() {
    for (codec, extension) in [
        ("none", ".parquet"),
        ("gzip", ".gz.parquet"),
        ("snappy", ".snappy.parquet"),
        ("zstd", ".zstd.parquet"),
    ] {
        let root = tempfile::tempdir().expect("a directory");
        let keys = [("format.class", "parquet"), ("parquet.codec", codec)];
        let lake = write(root.path(), &keys, &[rows()]).await;
        let objects = lake.list("topics/t").await.expect("a listing");
        assert_eq!(objects[0].key, format!("topics/t/partition=0/t+0+0000000000{extension}"));
        for library in ["pyarrow", "duckdb"] {
            let rows = read(library, root.path(), "id");
            let first = &rows[0];
            assert_eq!(first["text"], json!("a\n\"é\" \u{1F600}"), "{library}");
            assert_eq!(first["price"], json!("1234567890123456.7890"));
            assert_eq!(first["share"], json!(0.1));
            assert_eq!((&first["day"], &first["hour"]), (&json!("2026-03-04"), &json!("23:59:59.999999")));
            assert_eq!(first["at"], json!("2026-03-04T05:06:07.089012+00:00"));
            assert_eq!((&first["bytes"], &first["list"]), (&json!("00ff"), &json!([1, null])));
            assert_eq!((&rows[1]["price"], &rows[1]["list"]), (&json!("-0.0001"), &json!([])));
            assert_eq!(rows[1]["at"], json!("1969-12-31T23:59:59.999999+00:00"));
            for column in ["text", "price", "share", "is_new", "day", "hour", "at", "bytes", "list"] {
                assert_eq!(rows[2][column], Value::Null, "{library}: {column}");
            }
        }
        let verified = inspect::verify(&lake, "t").await.expect("a verification");
        assert_eq!((verified.rows, verified.faults), (3, vec![]));
    }
}

/// The form that each value has in JSON, with RFC 3339 and as Kafka Connect has it.
#[tokio::test]
async fn json_has_rfc_3339_or_kafka_connects_numbers() {
    for (times, day, hour, at) in [
        ("rfc3339", json!("2026-03-04"), json!("23:59:59.999999"), json!("2026-03-04T05:06:07.089012Z")),
        ("epoch", json!(20_516), json!(86_399_999), json!(1_772_600_767_089_i64)),
    ] {
        let root = tempfile::tempdir().expect("a directory");
        let lake = write(root.path(), &[("json.timestamps", times)], &[rows()]).await;
        let content =
            lake.read("topics/t/partition=0/t+0+0000000000.json").await.expect("a read").expect("an object");
        let text = std::str::from_utf8(&content).expect("UTF-8");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!((&lines[0]["day"], &lines[0]["hour"], &lines[0]["at"]), (&day, &hour, &at));
        assert!(
            text.contains(r#""price":1234567890123456.7890"#),
            "decimals are numbers with all digits: {text}"
        );
        assert_eq!((&lines[0]["bytes"], &lines[1]["share"]), (&json!("AP8="), &json!("Infinity")));
        assert!(lines[2].as_object().expect("an object").contains_key("list"), "nulls are explicit");
        // It reads itself back.
        let verified = inspect::verify(&lake, "t").await.expect("a verification");
        assert_eq!((verified.rows, verified.faults), (3, vec![]));
        let duckdb = read("duckdb", root.path(), "id");
        assert_eq!(duckdb.len(), 3);
    }
}

fn versions(seed: i64) -> RecordBatch {
    let ids: Vec<i64> = (0..500).map(|row| (row * 7 + seed) % 97).collect();
    let names: StringArray =
        ids.iter().map(|id| Some(COUNTRIES[usize::try_from(id % 7).expect("small")])).collect();
    // Each is there several times, and some are null.
    let times: TimestampMicrosecondArray =
        (0..500).map(|row| (row % 11 != 0).then_some((row * 31 + seed) % 101 * 1_000)).collect();
    let bodies = StringArray::from_iter_values((0..500).map(|row| format!("{seed}-{row}")));
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(Int64Array::from(ids))),
        ("country", Arc::new(names)),
        ("at", Arc::new(times.with_timezone("+00:00"))),
        ("body", Arc::new(bodies)),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

#[tokio::test]
async fn the_latest_row_of_each_key_is_that_of_duckdbs_row_number() {
    let field = ("partitioner.class", "FieldPartitioner");
    for keys in [
        vec![("flush.size", "90"), ("json.timestamps", "epoch")],
        vec![("flush.size", "90"), ("format.class", "parquet"), field, ("partition.field.name", "country")],
        vec![
            ("flush.size", "90"),
            ("s3.compression.type", "gzip"),
            field,
            ("partition.field.name", "country"),
        ],
    ] {
        let root = tempfile::tempdir().expect("a directory");
        let batches = [versions(1), versions(2), versions(3)];
        let lake = write(root.path(), &keys, &batches).await;
        let written = inspect::latest(&lake, "t", &["id".to_owned()], "at").await.expect("the latest rows");
        assert_eq!((written.read, written.rows), (1_500, 97));

        let all = read("duckdb", root.path(), "body");
        assert_eq!(all.len(), 1_500);
        let processed = lake_rows("duckdb", &root.path().join("processed/t"), "id");
        let latest = lake_rows("duckdb-latest", &root.path().join("topics/t"), "id");
        assert_eq!(latest.len(), 97);
        for (row, expected) in processed.iter().zip(&latest) {
            let row: Value = serde_json::from_str(row).expect("JSON");
            let expected: Value = serde_json::from_str(expected).expect("JSON");
            // Of several rows with the newest time, ROW_NUMBER takes any.
            assert_eq!((&row["id"], &row["country"]), (&expected["id"], &expected["country"]));
            assert_eq!(micros(&row["at"]), micros(&expected["at"]), "{row} {expected}");
            let mut of_key = all.iter().filter(|other| other["id"] == row["id"]);
            assert!(of_key.any(|other| other["body"] == row["body"]), "a row that was written");
        }
    }
}

/// `DuckDB` reads milliseconds since 1970 as numbers, and times as times.
fn micros(value: &Value) -> Option<i64> {
    if let Some(millis) = value.as_i64() {
        return Some(millis * 1_000);
    }
    let text = value.as_str()?;
    // Within the first second of 1970.
    let fraction = text.strip_prefix("1970-01-01T00:00:00")?.strip_suffix("+00:00")?.trim_start_matches('.');
    format!("{fraction:0<6}").parse().ok()
}

#[tokio::test]
async fn a_topic_is_listed_verified_and_begun_again() {
    let root = tempfile::tempdir().expect("a directory");
    let lake = write(root.path(), &[("flush.size", "200")], &[versions(1)]).await;
    let topics = inspect::topics(&lake).await.expect("the topics");
    let [topic] = &topics[..] else { panic!("{topics:?}") };
    assert_eq!((topic.topic.as_str(), topic.objects, topic.rows, topic.pending), ("t", 3, 500, 0));
    assert_eq!((topic.position.as_ref(), topic.writer.as_ref()), (Some(&Position(json!(1))), None));

    let keys = inspect::keys(&lake, "t", &["id".to_owned()]).await.expect("the keys");
    assert_eq!(keys.len(), 97);
    let unknown = inspect::keys(&lake, "t", &["number".to_owned()]).await;
    assert!(
        matches!(unknown, Err(LakeError::Refused(why)) if why.contains("no column number, only id, country"))
    );

    let second = root.path().join("topics/t/partition=0/t+0+0000000200.json");
    let content = std::fs::read(&second).expect("an object");
    std::fs::write(&second, &content[..content.len() - 9]).expect("a damaged object");
    let verified = inspect::verify(&lake, "t").await.expect("a verification");
    assert!(verified.faults[0].starts_with("topics/t/partition=0/t+0+0000000200.json: "), "{verified:?}");
    assert_eq!((verified.objects, verified.rows), (2, 300));
    std::fs::remove_file(&second).expect("our object");
    let verified = inspect::verify(&lake, "t").await.expect("a verification");
    let gap = "topics/t/partition=0/t+0+0000000400.json: begins at 400 instead of 200";
    assert_eq!(verified.faults, [gap, "the objects have 300 rows, and 500 were committed"]);

    inspect::reset(&lake, "t").await.expect("a reset");
    let writer = TopicWriter::open(&lake, "t", &options(&[])).await.expect("a writer");
    assert_eq!((writer.position(), writer.next_offset()), (None, 500));
}
