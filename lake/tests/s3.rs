//! Against an S3 server: each row once, wherever a writer ends, and one writer at a time.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test support: a failure here must end the test"
)]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use futures_util::StreamExt;
use octet_lake::{
    Findings, Keys, Lake, LakeError, RowPosition as Position, SinkOptions, StoreOptions, TopicWriter,
};
use octet_testbed::S3;
use serde_json::{Value, json};

const ROWS: i64 = 25;

fn lake(address: &str, endpoint: &str) -> Lake {
    let options = StoreOptions {
        region: Some("us-east-1".to_owned()),
        endpoint: Some(endpoint.to_owned()),
        path_style: Some(true),
        credentials: Some(("test".to_owned(), "test".to_owned())),
        ..StoreOptions::default()
    };
    Lake::open_with(address, &options).expect("an address")
}

fn rows(ids: std::ops::Range<i64>) -> RecordBatch {
    let names = ids.clone().map(|id| ["Curaçao", "a/b~c", "50% #="][usize::try_from(id % 3).expect("small")]);
    let countries: ArrayRef = Arc::new(StringArray::from_iter_values(names));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
    RecordBatch::try_from_iter([("id", ids), ("country", countries)]).expect("columns of one length")
}

fn options() -> SinkOptions {
    let pairs = [
        ("flush.size", "12"),
        ("partitioner.class", "FieldPartitioner"),
        ("partition.field.name", "country"),
    ];
    let values: BTreeMap<_, _> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    SinkOptions::take(&mut Keys::new("sink", values), &mut Findings::default())
}

/// Copies what is not yet in the topic, as a source would: from its position on.
async fn copy(lake: &Lake, step: i64) -> Result<(), LakeError> {
    let mut writer = TopicWriter::open(lake, "t", &options()).await?;
    loop {
        let start = writer.position().map_or(0, |position| position.0.as_i64().expect("a number"));
        let end = (start + step).min(ROWS);
        if start == end {
            return writer.close().await;
        }
        writer.commit(&[rows(start..end)], Position(json!(end))).await?;
    }
}

/// The ids in all objects of the topic.
async fn ids(lake: &Lake) -> Vec<i64> {
    let mut ids = Vec::new();
    for object in lake.list("topics/t").await.expect("a listing") {
        let content = lake.read(&object.key).await.expect("a read").expect("an object");
        for line in std::str::from_utf8(&content).expect("UTF-8").lines() {
            let record: Value = serde_json::from_str(line).expect("JSON");
            ids.push(record["id"].as_i64().expect("an id"));
        }
    }
    ids.sort_unstable();
    ids
}

/// More than a copy of the rows makes.
const WRITES: usize = 24;

/// A copy that ends at the `write`-th request that may change objects, and one that does the rest. Whether the first ended.
async fn interrupted_at(s3: &S3, write: usize, takes_effect: bool) -> bool {
    let door = s3.door().await;
    let address = format!("{}/{write}-{takes_effect}", s3.lake());
    let (through_door, direct) = (lake(&address, &door.endpoint()), lake(&address, &s3.endpoint()));
    door.shut_at(write, takes_effect);
    // The client's own attempts meet the shut door too.
    let outcome = copy(&through_door, 15).await;
    // Other steps than before, as after a restart.
    copy(&direct, 11).await.expect("the rest");
    assert_eq!(ids(&direct).await, (0..ROWS).collect::<Vec<_>>(), "write {write}, {takes_effect}");
    outcome.is_err()
}

#[tokio::test]
async fn a_writer_that_ends_at_any_request_leaves_every_row_once() {
    let s3 = S3::start().await;
    for takes_effect in [false, true] {
        let copies = (1..=WRITES).map(|write| interrupted_at(&s3, write, takes_effect));
        let ended: Vec<bool> = futures_util::stream::iter(copies).buffered(8).collect().await;
        let interrupted = ended.iter().filter(|ended| **ended).count();
        assert!(interrupted > 10 && ended.last() == Some(&false), "{ended:?}");
    }
}

#[tokio::test]
async fn a_writer_goes_on_after_the_server_was_away() {
    let s3 = S3::start().await;
    let door = s3.door().await;
    let lake = lake(&s3.lake(), &door.endpoint());
    let mut writer = TopicWriter::open(&lake, "t", &options()).await.expect("a writer");
    door.shut_at(3, false);
    let failed = writer.commit(&[rows(0..10)], Position(json!(10))).await;
    assert!(matches!(failed, Err(LakeError::Store(_))), "{failed:?}");
    assert_eq!((writer.position(), writer.next_offset()), (None, 0));
    door.reopen();
    writer.commit(&[rows(0..20)], Position(json!(20))).await.expect("a commit");
    writer.commit(&[rows(20..ROWS)], Position(json!(ROWS))).await.expect("a commit");
    assert_eq!(ids(&lake).await, (0..ROWS).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_second_writer_waits_and_the_first_one_is_fenced_after_a_takeover() {
    let s3 = S3::start().await;
    let silence = Duration::from_secs(2);
    let (door, address) = (s3.door().await, format!("{}/deep/prefix", s3.lake()));
    let first = lake(&address, &door.endpoint()).with_takeover(silence);
    let lake = lake(&address, &s3.endpoint()).with_takeover(silence);
    let mut first = TopicWriter::open(&first, "t", &options()).await.expect("a writer");
    first.commit(&[rows(0..10)], Position(json!(10))).await.expect("a commit");

    // Heartbeats keep the topic.
    let second = TopicWriter::open(&lake, "t", &options()).await;
    assert!(matches!(&second, Err(LakeError::Busy(who)) if who.starts_with("t (process ")), "{second:?}");

    // Cut off, the first shows no heartbeats.
    door.shut_at(1, false);
    let started = Instant::now();
    let mut second = TopicWriter::open(&lake, "t", &options()).await.expect("the topic is taken over");
    assert!(started.elapsed() < 20 * silence);
    assert_eq!(second.position(), Some(&Position(json!(10))));
    door.reopen();
    let fenced = first.commit(&[rows(10..20)], Position(json!(20))).await;
    assert!(matches!(fenced, Err(LakeError::Fenced(_))), "{fenced:?}");
    second.commit(&[rows(10..ROWS)], Position(json!(ROWS))).await.expect("a commit");
    assert!(matches!(first.commit(&[], Position(json!(99))).await, Err(LakeError::Fenced(_))));
    assert_eq!(ids(&lake).await, (0..ROWS).collect::<Vec<_>>());
}

#[tokio::test]
async fn of_two_writers_that_start_together_one_has_the_topic() {
    let s3 = S3::start().await;
    let lake = lake(&s3.lake(), &s3.endpoint());
    let options = options();
    let (one, other) =
        tokio::join!(TopicWriter::open(&lake, "t", &options), TopicWriter::open(&lake, "t", &options));
    let refused =
        [&one, &other].into_iter().filter(|writer| matches!(writer, Err(LakeError::Busy(_)))).count();
    assert_eq!(refused, 1, "{one:?} {other:?}");
    let mut writer = one.or(other).expect("a writer");
    writer.commit(&[rows(0..ROWS)], Position(json!(ROWS))).await.expect("a commit");
}

#[tokio::test]
async fn an_object_of_an_older_writer_is_replaced_and_a_foreign_one_is_not() {
    let s3 = S3::start().await;
    let lake = lake(&s3.lake(), &s3.endpoint());
    let first = TopicWriter::open(&lake, "t", &options()).await.expect("a writer");
    // A writer that was stopped in the middle, and whose request arrives late.
    let late = "/lake/topics/t/country=a%252Fb~c/t%2B0%2B0000000001.json";
    s3.put(late, "x-amz-meta-octet-epoch: 1\r\nx-amz-meta-octet-commit: 1\r\n").await;
    drop(first);
    let mut second = TopicWriter::open(&lake, "t", &options()).await.expect("a writer");
    second.commit(&[rows(0..ROWS)], Position(json!(ROWS))).await.expect("a commit");
    assert_eq!(ids(&lake).await, (0..ROWS).collect::<Vec<_>>());

    let key = format!("topics/t/country=Curaçao/t+0+{:010}.json", second.next_offset());
    s3.put("/lake/topics/t/country=Cura%C3%A7ao/t%2B0%2B0000000025.json", "").await;
    let refused = second.commit(&[rows(0..1)], Position(json!(26))).await;
    assert!(matches!(refused, Err(LakeError::Exists(existing)) if existing == key));
}
