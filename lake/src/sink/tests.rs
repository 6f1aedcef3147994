//! Commits to a directory that end anywhere, and rows read back from the objects.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use async_trait::async_trait;
use bytes::Bytes;
use octet_testbed::eventually;
use serde_json::{Value, json};

use super::{SinkOptions, TopicWriter};
use crate::{
    Findings, Keys, LakeError, Position,
    store::{Lake, Mark, Object, Objects, StateFile},
};

/// A lake whose process ends at one of its writes: that one and all later ones fail.
#[derive(Debug)]
struct Interrupted {
    lake: Lake,
    writes: Arc<Writes>,
}

#[derive(Debug)]
struct Writes {
    left: AtomicUsize,
    /// The last write takes effect all the same.
    takes_effect: bool,
}

impl Writes {
    /// `Some`: the write is made, and `true` if its success is known.
    fn next(&self) -> Option<bool> {
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(1) => self.takes_effect.then_some(false),
            Ok(_) => Some(true),
            Err(_) => None,
        }
    }

    async fn write(&self, write: impl Future<Output = Result<(), LakeError>>) -> Result<(), LakeError> {
        let ended = || Err(LakeError::Directory(std::io::Error::other("the process has ended")));
        match self.next() {
            None => ended(),
            Some(is_known) => {
                write.await?;
                if is_known { Ok(()) } else { ended() }
            }
        }
    }
}

#[async_trait]
impl Objects for Interrupted {
    async fn ping(&self) -> Result<(), LakeError> {
        self.lake.ping().await
    }
    async fn create(&self, key: &str, content: Bytes, mark: &Mark) -> Result<(), LakeError> {
        self.writes.write(self.lake.objects().create(key, content, mark)).await
    }
    async fn replace(&self, key: &str, content: Bytes) -> Result<(), LakeError> {
        self.writes.write(self.lake.objects().replace(key, content)).await
    }
    async fn delete(&self, key: &str) -> Result<(), LakeError> {
        self.writes.write(self.lake.objects().delete(key)).await
    }
    async fn read(&self, key: &str) -> Result<Option<Bytes>, LakeError> {
        self.lake.objects().read(key).await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<Object>, LakeError> {
        self.lake.objects().list(prefix).await
    }
    async fn claim(&self, topic: &str) -> Result<Box<dyn StateFile>, LakeError> {
        let file = self.lake.objects().claim(topic).await?;
        Ok(Box::new(InterruptedFile { file, writes: self.writes.clone() }))
    }
}

#[derive(Debug)]
struct InterruptedFile {
    file: Box<dyn StateFile>,
    writes: Arc<Writes>,
}

#[async_trait]
impl StateFile for InterruptedFile {
    async fn load(&mut self) -> Result<Option<(Bytes, Duration)>, LakeError> {
        self.file.load().await
    }
    async fn save(&mut self, content: Bytes) -> Result<(), LakeError> {
        self.writes.write(self.file.save(content)).await
    }
    fn is_shared(&self) -> bool {
        false
    }
}

const ROWS: i64 = 70;

fn rows(ids: std::ops::Range<i64>) -> RecordBatch {
    let countries = StringArray::from_iter_values(
        ids.clone().map(|id| ["India", "a/b", "50%"][usize::try_from(id % 3).expect("small")]),
    );
    batch([("id", Arc::new(Int64Array::from_iter_values(ids)) as ArrayRef), ("country", Arc::new(countries))])
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> RecordBatch {
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn options(pairs: &[(&str, &str)]) -> SinkOptions {
    let values: BTreeMap<_, _> =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let (mut keys, mut findings) = (Keys::new("sink", values), Findings::default());
    let options = SinkOptions::take(&mut keys, &mut findings);
    assert_eq!(findings, Findings::default());
    assert_eq!(keys.unknown().collect::<Vec<_>>(), [""; 0]);
    options
}

/// Copies what is not yet in the topic, as a source would: from its position on.
async fn copy(lake: &Lake, options: &SinkOptions, step: i64) -> Result<(), LakeError> {
    let mut writer = TopicWriter::open(lake, "t", options).await?;
    loop {
        let start = writer.position().map_or(0, |position| position.0.as_i64().expect("a number"));
        let end = (start + step).min(ROWS);
        if start == end {
            return Ok(());
        }
        writer.commit(&[rows(start..end)], Position(json!(end))).await?;
    }
}

/// The records of each object.
async fn objects(lake: &Lake) -> BTreeMap<String, Vec<Value>> {
    let mut found = BTreeMap::new();
    for object in lake.objects().list("topics/t").await.expect("a listing") {
        let content = lake.objects().read(&object.key).await.expect("a read").expect("an object");
        let lines = std::str::from_utf8(&content).expect("UTF-8").lines();
        let records = lines.map(|line| serde_json::from_str(line).expect("JSON")).collect();
        found.insert(object.key.trim_start_matches("topics/t/").to_owned(), records);
    }
    found
}

#[tokio::test]
async fn a_process_that_ends_at_any_write_leaves_every_row_once() {
    let options = options(&[
        ("flush.size", "10"),
        ("partitioner.class", "FieldPartitioner"),
        ("partition.field.name", "country"),
    ]);
    for takes_effect in [false, true] {
        for writes in 1.. {
            let root = tempfile::tempdir().expect("a directory");
            let lake = Lake::directory(root.path());
            let writes = Arc::new(Writes { left: AtomicUsize::new(writes), takes_effect });
            let interrupted = Lake::of(Arc::new(Interrupted { lake: lake.clone(), writes: writes.clone() }));
            let outcome = copy(&interrupted, &options, 25).await;
            // Other steps than before, as after a restart.
            eventually("the lock is released", async || copy(&lake, &options, 17).await).await;
            let objects = objects(&lake).await;
            let mut ids: Vec<_> =
                objects.values().flatten().map(|record| record["id"].as_i64().expect("an id")).collect();
            ids.sort_unstable();
            assert_eq!(ids, (0..ROWS).collect::<Vec<_>>(), "{writes:?}");
            if outcome.is_ok() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_failed_commit_is_repeated_by_the_same_writer() {
    let root = tempfile::tempdir().expect("a directory");
    let lake = Lake::directory(root.path());
    let options = options(&[("flush.size", "2")]);
    let mut writer = TopicWriter::open(&lake, "t", &options).await.expect("a writer");
    // A directory in the place of the second object, as from another program.
    let obstacle = root.path().join("topics/t/partition=0/t+0+0000000002.json");
    std::fs::create_dir_all(&obstacle).expect("a directory");
    let failed = writer.commit(&[rows(0..6)], Position(json!(6))).await;
    assert!(matches!(failed, Err(LakeError::Exists(key)) if key.ends_with("t+0+0000000002.json")));
    assert_eq!((writer.position(), writer.next_offset()), (None, 0));
    std::fs::remove_dir(&obstacle).expect("our directory");
    writer.commit(&[rows(0..5)], Position(json!(5))).await.expect("a commit");
    let names: Vec<_> = objects(&lake).await.into_iter().map(|(key, records)| (key, records.len())).collect();
    let expected = [0, 2, 4]
        .map(|offset| (format!("partition=0/t+0+{offset:010}.json"), if offset == 4 { 1 } else { 2 }));
    assert_eq!(names, expected);
}

/// kafka-connect-storage-cloud #387: a table over the directories has the column twice.
#[tokio::test]
async fn a_partition_column_is_in_the_names_and_not_in_the_records() {
    for (keep, is_in_records) in [("false", false), ("true", true)] {
        let root = tempfile::tempdir().expect("a directory");
        let lake = Lake::directory(root.path());
        let options = options(&[
            ("partitioner.class", "FieldPartitioner"),
            ("partition.field.name", "country"),
            ("partition.field.keep", keep),
        ]);
        let mut writer = TopicWriter::open(&lake, "t", &options).await.expect("a writer");
        writer.commit(&[rows(0..5)], Position(json!(5))).await.expect("a commit");
        for (key, records) in objects(&lake).await {
            assert!(key.starts_with("country="), "{key}");
            assert!(records.iter().all(|record| record.get("country").is_some() == is_in_records), "{key}");
        }
    }
}

#[tokio::test]
async fn objects_are_named_by_partition_and_by_their_first_record() {
    let root = tempfile::tempdir().expect("a directory");
    let lake = Lake::directory(root.path());
    let options = options(&[
        ("flush.size", "5"),
        ("partitioner.class", "io.confluent.connect.storage.partitioner.FieldPartitioner"),
        ("partition.field.name", "country"),
        ("partition.field.keep", "true"),
    ]);
    let mut writer = TopicWriter::open(&lake, "t", &options).await.expect("a writer");
    writer.commit(&[rows(0..3), rows(3..7)], Position(json!(7))).await.expect("a commit");
    let ids = |records: &[Value]| records.iter().map(|record| record["id"].as_i64()).collect::<Vec<_>>();
    let found: Vec<_> = objects(&lake).await.into_iter().map(|(key, records)| (key, ids(&records))).collect();
    let expected = [
        ("country=50%25/t+0+0000000002.json", vec![Some(2)]),
        ("country=50%25/t+0+0000000005.json", vec![Some(5)]),
        ("country=India/t+0+0000000000.json", vec![Some(0), Some(3)]),
        ("country=India/t+0+0000000006.json", vec![Some(6)]),
        ("country=a%2Fb/t+0+0000000001.json", vec![Some(1), Some(4)]),
    ];
    assert_eq!(found, expected.map(|(key, ids)| (key.to_owned(), ids)));
}

#[tokio::test]
async fn a_new_column_begins_an_object_and_an_old_one_stays_null() {
    let root = tempfile::tempdir().expect("a directory");
    let lake = Lake::directory(root.path());
    let mut writer = TopicWriter::open(&lake, "t", &SinkOptions::default()).await.expect("a writer");
    let old = batch([
        ("id", Arc::new(Int32Array::from(vec![1])) as ArrayRef),
        ("a", Arc::new(StringArray::from(vec!["x"]))),
    ]);
    let new = batch([
        ("b", Arc::new(StringArray::from(vec!["y"])) as ArrayRef),
        ("id", Arc::new(Int64Array::from(vec![1 << 40]))),
    ]);
    writer.commit(&[old, new], Position(json!(2))).await.expect("a commit");
    writer.close().await.expect("the end");

    // The next process knows the columns.
    let mut writer = eventually("the lock is released", async || {
        TopicWriter::open(&lake, "t", &SinkOptions::default()).await
    })
    .await;
    let third = batch([("id", Arc::new(Int32Array::from(vec![3])) as ArrayRef)]);
    writer.commit(&[third], Position(json!(3))).await.expect("a commit");
    let found: Vec<_> = objects(&lake).await.into_values().collect();
    let expected = [
        json!({"id": 1, "a": "x"}),
        json!({"id": 1_i64 << 40, "a": null, "b": "y"}),
        json!({"id": 3, "a": null, "b": null}),
    ];
    assert_eq!(found, expected.map(|record| vec![record]));

    let changed = batch([("id", Arc::new(StringArray::from(vec!["four"])) as ArrayRef)]);
    let error = writer.commit(&[changed], Position(json!(4))).await.expect_err("another type").to_string();
    assert_eq!(error, "the topic t: the column id was Int64 and is now Utf8, which does not hold all values");
    assert_eq!(writer.position(), Some(&Position(json!(3))));
}

#[tokio::test]
async fn a_row_without_a_place_stops_the_topic_or_is_kept_aside() {
    let root = tempfile::tempdir().expect("a directory");
    let lake = Lake::directory(root.path());
    let keys = [
        ("partitioner.class", "FieldPartitioner"),
        ("partition.field.name", "country"),
        ("partition.escape", "kafka"),
    ];
    let countries: ArrayRef = Arc::new(StringArray::from(vec!["a/b", "x/../y", "India"]));
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let rows = [batch([("id", ids), ("country", countries)])];
    let mut writer = TopicWriter::open(&lake, "t", &options(&keys)).await.expect("a writer");
    let error = writer.commit(&rows, Position(json!(3))).await.expect_err("a bad row").to_string();
    assert!(error.contains(r#"{"id":2,"country":"x/../y"}"#) && error.contains("column country"), "{error}");
    drop(writer);

    let tolerant = options(&[&keys[..], &[("errors.tolerance", "all")]].concat());
    let mut writer =
        eventually("the lock is released", async || TopicWriter::open(&lake, "t", &tolerant).await).await;
    let committed = writer.commit(&rows, Position(json!(3))).await.expect("a commit");
    assert_eq!((committed.objects, committed.bad_rows, writer.next_offset()), (2, 1, 2));
    let aside = lake.objects().read("topics/_octet/errors/t.jsonl").await.expect("a read").expect("a file");
    let aside: Value = serde_json::from_slice(&aside).expect("one line");
    assert_eq!(aside["column"], "country");
    let keys: Vec<_> = objects(&lake).await.into_keys().collect();
    assert_eq!(keys, ["country=India/t+0+0000000001.json", "country=a/b/t+0+0000000000.json"]);
}

#[tokio::test]
async fn a_topic_has_one_writer_at_a_time() {
    let root = tempfile::tempdir().expect("a directory");
    let lake = Lake::directory(root.path());
    let mut first = TopicWriter::open(&lake, "t", &SinkOptions::default()).await.expect("a writer");
    let second = TopicWriter::open(&lake, "t", &SinkOptions::default()).await.err();
    assert!(matches!(second, Some(LakeError::Busy(topic)) if topic == "t"));
    first.commit(&[], Position(json!({"id": 7}))).await.expect("a commit");
    drop(first);
    let next = eventually("the lock is released", async || {
        TopicWriter::open(&lake, "t", &SinkOptions::default()).await
    })
    .await;
    assert_eq!(next.position(), Some(&Position(json!({"id": 7}))));
    assert!(!Path::new(root.path()).join("topics/t").exists(), "no rows, no object");
}
