use serde_json::{Value, json};

use super::super::{Entry, Reader};
use crate::{Text, read::Intern};

struct Copies;

impl Intern for Copies {
    fn intern(&mut self, text: &str) -> Text {
        text.into()
    }
}

/// The spans of a report as JSON, and its faults.
fn read(report: &Value) -> (Vec<Value>, Vec<String>) {
    let text = report.to_string();
    let mut reader = Reader::v1(text.as_bytes());
    let (mut spans, mut faults) = (Vec::new(), Vec::new());
    while let Some(entry) = reader.next_entry(&mut Copies) {
        match entry {
            Entry::Span(span) => spans.push(serde_json::to_value(&span).unwrap()),
            Entry::Malformed(malformed) => faults.push(format!("{}: {}", malformed.index, malformed.field)),
            Entry::Broken(broken) => faults.push(broken.problem),
            Entry::Nothing => {}
        }
    }
    (spans, faults)
}

fn front() -> Value {
    json!({"serviceName": "Front", "ipv4": "127.0.0.1", "port": 80})
}

fn back() -> Value {
    json!({"serviceName": "back"})
}

#[test]
fn a_client_and_its_server_in_one_span_become_two() {
    let (spans, faults) = read(&json!([{
        "traceId": "a", "id": "b", "parentId": "c", "name": "GET", "timestamp": 1000, "duration": 500, "debug": true,
        "annotations": [
            {"timestamp": 1000, "value": "cs", "endpoint": front()},
            {"timestamp": 1100, "value": "sr", "endpoint": back()},
            {"timestamp": 1150, "value": "cached", "endpoint": back()},
            {"timestamp": 1400, "value": "ss", "endpoint": back()},
            {"timestamp": 1500, "value": "cr", "endpoint": front()},
        ],
        "binaryAnnotations": [
            {"key": "http.path", "value": "/", "endpoint": front()},
            {"key": "rows", "value": 7, "endpoint": back()},
            {"key": "sa", "value": true, "endpoint": back()},
        ],
    }]));
    assert_eq!(faults, [""; 0]);
    let ids =
        json!({"traceId": "000000000000000a", "id": "000000000000000b", "parentId": "000000000000000c"});
    let with = |mut span: Value| {
        span.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        span
    };
    let front = json!({"serviceName": "front", "ipv4": "127.0.0.1", "port": 80});
    assert_eq!(
        spans,
        [
            with(
                json!({"kind": "CLIENT", "name": "get", "timestamp": 1000, "duration": 500, "localEndpoint": front,
                        "remoteEndpoint": back(), "tags": {"http.path": "/"}, "debug": true})
            ),
            with(
                json!({"kind": "SERVER", "name": "get", "timestamp": 1100, "duration": 300, "localEndpoint": back(),
                        "annotations": [{"timestamp": 1150, "value": "cached"}], "tags": {"rows": "7"},
                        "debug": true, "shared": true})
            ),
        ]
    );
}

#[test]
fn each_side_alone_has_its_kind() {
    let annotated = |value: &str| {
        json!({"traceId": "a", "id": "b", "timestamp": 5, "duration": 3,
               "annotations": [{"timestamp": 5, "value": value, "endpoint": back()}]})
    };
    for (value, kind) in [("cs", "CLIENT"), ("sr", "SERVER"), ("ms", "PRODUCER"), ("mr", "CONSUMER")] {
        let (spans, faults) = read(&json!([annotated(value)]));
        assert_eq!((spans.len(), faults.len()), (1, 0), "{value}");
        let span = &spans[0];
        assert_eq!(
            (&span["kind"], &span["localEndpoint"], &span["timestamp"]),
            (&json!(kind), &back(), &json!(5))
        );
        assert_eq!((&span["shared"], &span["annotations"]), (&Value::Null, &Value::Null));
    }
    let continued = json!({"traceId": "a", "id": "b", "annotations": [
        {"timestamp": 7, "value": "sr", "endpoint": back()}, {"timestamp": 9, "value": "ss", "endpoint": back()}]});
    let (spans, _) = read(&json!([continued]));
    let server = &spans[0];
    assert_eq!(
        (&server["shared"], &server["timestamp"], &server["duration"]),
        (&json!(true), &json!(7), &json!(2))
    );
}

#[test]
fn a_local_span_has_its_service_and_a_database_is_a_client_without_answers() {
    let local = json!({"traceId": "a", "id": "b", "binaryAnnotations": [{"key": "lc", "value": "", "endpoint": back()}]});
    let database = json!({"traceId": "a", "id": "c", "binaryAnnotations": [
        {"key": "sql", "value": "select", "endpoint": back()},
        {"key": "sa", "value": true, "endpoint": {"serviceName": "db"}}]});
    let (spans, _) = read(&json!([local, database]));
    assert_eq!(
        (&spans[0]["kind"], &spans[0]["localEndpoint"], &spans[0]["tags"]),
        (&Value::Null, &back(), &Value::Null)
    );
    assert_eq!(
        (&spans[1]["kind"], &spans[1]["remoteEndpoint"]["serviceName"], &spans[1]["tags"]["sql"]),
        (&json!("CLIENT"), &json!("db"), &json!("select"))
    );
}

#[test]
fn a_malformed_span_does_not_affect_others() {
    let good = json!({"traceId": "a", "id": "b"});
    for (span, field) in [
        (json!({"traceId": "a"}), "1: id"),
        (json!({"traceId": "a", "id": "b", "tags": {}}), "1: tags"),
        (json!({"traceId": "a", "id": "b", "localEndpoint": {}}), "1: localEndpoint"),
        (json!({"traceId": "a", "id": "b", "annotations": {}}), "1: annotations"),
        (json!({"traceId": "a", "id": "b", "annotations": [{"value": "cs"}]}), "1: annotations[0].timestamp"),
        (
            json!({"traceId": "a", "id": "b", "binaryAnnotations": [{"key": "k"}]}),
            "1: binaryAnnotations[0].value",
        ),
        (
            json!({"traceId": "a", "id": "b", "binaryAnnotations": [{"key": "k", "value": []}]}),
            "1: binaryAnnotations[0].value",
        ),
        (json!(7), "1: "),
    ] {
        let (spans, faults) = read(&json!([good, span, good]));
        assert_eq!((spans.len(), faults), (2, vec![field.to_owned()]), "{span}");
    }
}

fn members() -> impl proptest::strategy::Strategy<Value = Value> {
    let event =
        proptest::sample::select(vec!["cs", "cr", "sr", "ss", "ms", "mr", "ws", "x", "sa", "ca", "ma", "lc"]);
    let value = proptest::sample::select(vec![json!(true), json!(0), json!("t"), json!(null), json!([])]);
    proptest::strategy::Strategy::prop_map((event, value, 0..4_u64), |(event, value, number)| {
        let endpoint = if number == 0 { Value::Null } else { json!({"serviceName": format!("s{number}")}) };
        json!({"key": event, "value": value, "event": event, "timestamp": number, "endpoint": endpoint})
    })
}

proptest::proptest! {
    #[test]
    fn any_annotations_give_spans_of_the_same_id_and_no_panic(
        events in proptest::collection::vec(members(), 0..6),
        tags in proptest::collection::vec(members(), 0..6),
        times in (0..3_u64, 0..3_u64),
    ) {
        let annotations: Vec<Value> = events
            .iter()
            .map(|event| json!({"timestamp": event["timestamp"], "value": event["event"], "endpoint": event["endpoint"]}))
            .collect();
        let (spans, faults) = read(&json!([{"traceId": "a", "id": "b", "timestamp": times.0, "duration": times.1,
                                            "annotations": annotations, "binaryAnnotations": tags}]));
        proptest::prop_assert!((1..=2).contains(&spans.len()) != (faults.len() == 1), "{spans:?} {faults:?}");
        for span in &spans {
            proptest::prop_assert_eq!(&span["id"], "000000000000000b");
        }
    }
}
