//! Transforms on pages.

use std::{collections::BTreeMap, sync::Arc};

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_json::LineDelimitedWriter;
use serde_json::{Value, json};

use super::Transforms;
use crate::{BadRow, Findings, Keys, LakeError, Page, Position};

fn take(pairs: &[(&str, &str)]) -> (Transforms, Findings) {
    let values: BTreeMap<_, _> =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let (mut keys, mut findings) = (Keys::new("sink", values), Findings::default());
    let transforms = Transforms::take(&mut keys, &mut findings);
    assert_eq!(keys.unknown().collect::<Vec<_>>(), [""; 0]);
    (transforms, findings)
}

/// One transform named `x`, of Kafka's class `class`.
fn one(class: &str, pairs: &[(&str, &str)]) -> (Transforms, Findings) {
    let class = format!("org.apache.kafka.connect.transforms.{class}");
    let mut all = vec![("transforms".to_owned(), "x".to_owned()), ("transforms.x.type".to_owned(), class)];
    all.extend(pairs.iter().map(|(key, value)| (format!("transforms.x.{key}"), (*value).to_owned())));
    let all: Vec<_> = all.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    take(&all)
}

fn page() -> Page {
    let columns: [(&str, ArrayRef); 6] = [
        ("id", Arc::new(Int64Array::from(vec![1, 2]))),
        ("name", Arc::new(StringArray::from(vec!["x", "12"]))),
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_772_600_767_089_012), None])
                    .with_timezone("+00:00"),
            ),
        ),
        ("day", Arc::new(Date32Array::from(vec![20_516, 0]))),
        ("share", Arc::new(Float64Array::from(vec![1.5, 1e300]))),
        ("is_new", Arc::new(BooleanArray::from(vec![true, false]))),
    ];
    let rows = RecordBatch::try_from_iter(columns).expect("columns of one length");
    Page { rows, ends: vec![Some(Position(json!(1))), Some(Position(json!(2)))] }
}

fn records(page: &Page) -> Vec<Value> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write(&page.rows).expect("JSON");
    let lines = String::from_utf8(writer.into_inner()).expect("UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn apply(transforms: &(Transforms, Findings)) -> (Vec<Value>, Vec<BadRow>) {
    assert_eq!(transforms.1, Findings::default());
    let (page, bad_rows) = transforms.0.apply("orders", page()).expect("a page");
    assert_eq!(page.rows.num_rows(), page.ends.len());
    (records(&page), bad_rows)
}

#[test]
fn fields_are_inserted() {
    let transforms = one(
        "InsertField$Value",
        &[
            ("static.field", "source!"),
            ("static.value", "shop"),
            ("topic.field", "topic"),
            ("partition.field", "partition"),
            ("timestamp.field", "read_at?"),
        ],
    );
    let (records, _) = apply(&transforms);
    assert_eq!((&records[1]["source"], &records[1]["topic"]), (&json!("shop"), &json!("orders")));
    assert_eq!(records[1]["partition"], json!(0));
    assert!(records[1]["read_at"].is_string());
    let again = one("InsertField$Value", &[("topic.field", "name")]).0.apply("orders", page());
    assert!(matches!(again, Err(LakeError::Refused(why)) if why.contains("there is a column name already")));
}

#[test]
fn columns_are_dropped_and_renamed_by_new_and_old_keys() {
    let (included, _) =
        apply(&one("ReplaceField$Value", &[("include", "id,name"), ("renames", "id:number")]));
    assert_eq!(included[0], json!({"number": 1, "name": "x"}));
    let (excluded, _) = apply(&one("ReplaceField$Value", &[("blacklist", "at, day, share, is_new, absent")]));
    assert_eq!(excluded[0], json!({"id": 1, "name": "x"}));
}

#[test]
fn values_are_cast_and_those_that_do_not_fit_are_returned() {
    let spec = "id:string,at:int64,day:int32,is_new:int8,absent:int8";
    let (records, bad_rows) = apply(&one("Cast$Value", &[("spec", spec)]));
    assert_eq!(bad_rows, []);
    assert_eq!((&records[0]["id"], &records[0]["is_new"]), (&json!("1"), &json!(1)));
    assert_eq!((&records[0]["at"], &records[0]["day"]), (&json!(1_772_600_767_089_i64), &json!(20_516)));

    let (records, bad_rows) = apply(&one("Cast$Value", &[("spec", "name:int32,share:int64")]));
    assert_eq!(records, [] as [Value; 0]);
    let faults: Vec<_> = bad_rows.iter().map(|bad| (bad.column.as_str(), bad.reason.as_str())).collect();
    assert_eq!(faults, [("name", "the value does not fit Int32"), ("share", "the value does not fit Int64")]);
    assert!(bad_rows[0].row.contains(r#""name":"x""#), "{bad_rows:?}");
}

#[test]
fn timestamps_are_converted_and_keep_their_microseconds() {
    let convert = |field, target, more: &[(&str, &str)]| {
        let keys = [&[("field", field), ("target.type", target)], more].concat();
        apply(&one("TimestampConverter$Value", &keys)).0[0][field].clone()
    };
    let format = ("format", "yyyy-MM-dd'T'HH:mm:ss.SSSSSS");
    assert_eq!(convert("at", "string", &[format]), json!("2026-03-04T05:06:07.089012"));
    assert_eq!(convert("at", "unix", &[]), json!(1_772_600_767_089_i64));
    assert_eq!(
        convert("at", "unix", &[("unix.precision", "microseconds")]),
        json!(1_772_600_767_089_012_i64)
    );
    assert_eq!(convert("at", "Date", &[]), json!("2026-03-04"));
    assert_eq!(convert("at", "Time", &[]), json!("05:06:07.089012"));
    assert_eq!(convert("id", "Timestamp", &[("unix.precision", "seconds")]), json!("1970-01-01T00:00:01Z"));

    let keys = [("field", "name"), ("target.type", "Timestamp"), ("format", "ss")];
    let (records, bad_rows) = apply(&one("TimestampConverter$Value", &keys));
    assert_eq!((records.len(), bad_rows.len()), (0, 2), "seconds alone are no time");
}

#[test]
fn a_filter_acts_on_the_topics_of_its_predicate() {
    let filter = |pattern, negate| {
        let transforms = take(&[
            ("transforms", "x"),
            ("transforms.x.type", "org.apache.kafka.connect.transforms.Filter"),
            ("transforms.x.predicate", "p"),
            ("transforms.x.negate", negate),
            ("predicates", "p"),
            ("predicates.p.type", "org.apache.kafka.connect.transforms.predicates.TopicNameMatches"),
            ("predicates.p.pattern", pattern),
        ]);
        apply(&transforms).0.len()
    };
    assert_eq!(filter("ord.*", "false"), 0);
    assert_eq!(filter("ord.*", "true"), 2);
    assert_eq!(filter("ord", "false"), 2, "the whole name must match");
}

#[test]
fn keys_are_checked_and_dropped() {
    let transforms = take(&[
        ("transforms", "key, id"),
        ("transforms.key.type", "org.apache.kafka.connect.transforms.ValueToKey"),
        ("transforms.key.fields", "id"),
        ("transforms.id.type", "org.apache.kafka.connect.transforms.ExtractField$Key"),
        ("transforms.id.field", "id"),
    ]);
    assert_eq!(apply(&transforms).0[0]["id"], json!(1));
    let absent = one("ValueToKey", &[("fields", "number")]).0.apply("orders", page());
    assert!(matches!(absent, Err(LakeError::Refused(why)) if why.ends_with("there is no column number")));
}

#[test]
fn other_transforms_are_refused_with_the_list() {
    for class in ["RegexRouter", "Flatten$Value", "ExtractField$Value", "HoistField$Value"] {
        let (_, findings) = one(class, &[("field", "a")]);
        assert_eq!(findings.errors.len(), 1, "{class}");
        assert!(findings.errors[0].contains("ReplaceField, Filter"), "{findings:?}");
    }
}

#[test]
fn a_transform_that_does_nothing_is_accepted_with_a_warning() {
    for (class, key) in [("InsertField$Value", "static.value"), ("ReplaceField$Value", "renames")] {
        let (transforms, findings) = one(class, &[(key, "")]);
        assert_eq!((findings.errors.len(), findings.warnings.len()), (0, 1), "{class}");
        assert_eq!(transforms, Transforms::default());
    }
    let integers: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let rows = RecordBatch::try_from_iter([("a", integers)]).expect("a column");
    let page = Page { rows: rows.clone(), ends: vec![None] };
    assert_eq!(Transforms::default().apply("t", page).expect("a page").0.rows, rows);
}
