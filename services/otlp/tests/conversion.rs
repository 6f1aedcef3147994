//! Requests that OpenTelemetry's own types encode, in both encodings, and what becomes of them.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a failing helper fails its test")]

use octet_otlp::{JsonReader, ProtoReader};
use octet_zipkin::{
    Batch, Text,
    read::{Entry, Intern},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value},
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span, Status,
        span::{Event, Link},
    },
};
use proptest::{collection::vec, prelude::*, sample::Index};
use prost::Message as _;
use serde_json::json;

struct Copies;

impl Intern for Copies {
    fn intern(&mut self, text: &str) -> Text {
        text.into()
    }
}

fn collected(mut next: impl FnMut() -> Option<Entry>) -> Batch {
    let mut batch = Batch::default();
    while let Some(entry) = next() {
        match entry {
            Entry::Span(span) => batch.spans.push(span),
            Entry::Malformed(malformed) => batch.add_malformed(malformed),
            Entry::Broken(broken) => batch.broken = Some(broken),
            Entry::Nothing => {}
        }
    }
    batch
}

fn proto(bytes: &[u8]) -> Batch {
    let mut reader = ProtoReader::new(bytes);
    collected(|| reader.next_entry(&mut Copies))
}

fn json(bytes: &[u8]) -> Batch {
    let mut reader = JsonReader::new(bytes);
    collected(|| reader.next_entry(&mut Copies))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn request(attributes: Vec<KeyValue>, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope =
        InstrumentationScope { name: "lib".to_owned(), version: "2".to_owned(), ..Default::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..Default::default() }];
    let resource = Some(Resource { attributes, ..Default::default() });
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource, scope_spans, ..Default::default() }],
    }
}

fn span(kind: i32, attributes: Vec<KeyValue>) -> Span {
    Span { trace_id: vec![1; 16], span_id: vec![2; 8], kind, attributes, ..Default::default() }
}

/// The span of a request with one, which both encodings must agree on.
fn one(request: &ExportTraceServiceRequest) -> serde_json::Value {
    let (first, second) =
        (proto(&request.encode_to_vec()), json(&serde_json::to_vec(request).expect("JSON")));
    assert!(first.is_whole(), "{first:?}");
    assert_eq!(first, second);
    assert_eq!(first.spans.len(), 1);
    serde_json::to_value(&first.spans[0]).expect("JSON")
}

#[test]
fn every_member_has_its_place_in_zipkins_model() {
    let nested = Value::ArrayValue(ArrayValue {
        values: vec![AnyValue { value: Some(Value::IntValue(-1)) }, AnyValue { value: None }],
    });
    let map = Value::KvlistValue(KeyValueList { values: vec![text("k", "v")] });
    let whole = Span {
        parent_span_id: vec![3; 8],
        trace_state: "a=b".to_owned(),
        name: "GET /".to_owned(),
        start_time_unix_nano: 1_502_787_600_000_000_999,
        end_time_unix_nano: 1_502_787_600_150_001_000,
        dropped_attributes_count: 1,
        dropped_events_count: 2,
        dropped_links_count: 3,
        events: vec![Event {
            time_unix_nano: 1_502_787_600_000_001_999,
            name: "retry".to_owned(),
            attributes: vec![attribute("wait", Value::IntValue(5))],
            ..Default::default()
        }],
        links: vec![Link {
            trace_id: vec![4; 16],
            span_id: vec![5; 8],
            attributes: vec![text("why", "batch")],
            ..Default::default()
        }],
        status: Some(Status { message: "boom".to_owned(), code: 2 }),
        ..span(
            3,
            vec![
                text("peer.service", "Other"),
                text("server.address", "10.0.0.1"),
                attribute("server.port", Value::IntValue(80)),
                attribute("flag", Value::BoolValue(true)),
                attribute("ratio", Value::DoubleValue(0.25)),
                attribute("list", nested),
                attribute("map", map),
                text("same", "span"),
            ],
        )
    };
    let resource = vec![
        text("service.name", "Shop"),
        text("telemetry.sdk.language", "python"),
        text("host.name", "h"),
        text("same", "resource"),
    ];
    assert_eq!(
        one(&request(resource, vec![whole])),
        json!({
            "traceId": "01".repeat(16), "parentId": "03".repeat(8), "id": "02".repeat(8),
            "kind": "CLIENT", "name": "get /", "timestamp": 1_502_787_600_000_000_u64, "duration": 150_000,
            "localEndpoint": {"serviceName": "shop"},
            "remoteEndpoint": {"serviceName": "other", "ipv4": "10.0.0.1", "port": 80},
            "annotations": [{"timestamp": 1_502_787_600_000_001_u64, "value": "retry wait=5"}],
            "tags": {
                "error": "boom", "flag": "true", "host.name": "h", "list": "[-1,null]", "map": r#"{"k":"v"}"#,
                "otel.dropped_attributes_count": "1", "otel.dropped_events_count": "2",
                "otel.dropped_links_count": "3", "otel.link.0": format!("{}/{} why=batch", "04".repeat(16), "05".repeat(8)),
                "otel.scope.name": "lib", "otel.scope.version": "2", "otel.status_code": "ERROR",
                "peer.service": "Other", "ratio": "0.25", "same": "span", "server.address": "10.0.0.1",
                "server.port": "80", "w3c.tracestate": "a=b",
            },
        })
    );
}

#[test]
fn an_ended_span_has_a_duration_and_a_failure_without_words_is_a_failure() {
    let status = |code, message: &str| Some(Status { message: message.to_owned(), code });
    let mut quick = span(1, vec![attribute("error", Value::BoolValue(false))]);
    (quick.start_time_unix_nano, quick.end_time_unix_nano) = (5_000, 5_001);
    let found = one(&request(vec![], vec![quick.clone()]));
    assert_eq!(
        (&found["duration"], &found["kind"], &found["localEndpoint"]),
        (&json!(1), &json!(null), &json!(null))
    );
    assert_eq!(found["tags"].get("error"), None, "an attribute that says false");
    quick.end_time_unix_nano = 0;
    quick.status = status(2, "");
    let found = one(&request(vec![], vec![quick.clone()]));
    assert_eq!((&found["duration"], &found["tags"]["error"]), (&json!(null), &json!("true")));
    quick.status = status(1, "");
    let found = one(&request(vec![], vec![quick]));
    assert_eq!((&found["tags"]["otel.status_code"], found["tags"].get("error")), (&json!("OK"), None));
}

#[test]
fn the_other_side_is_found_by_the_best_attribute_of_each_kind() {
    let name = |name: &str| json!({ "serviceName": name });
    for (kind, attributes, expected) in [
        (3, vec![("server.address", "db.example"), ("peer.service", "Orders")], name("orders")),
        (3, vec![("server.address", "db.example"), ("db.system", "redis")], name("db.example")),
        (3, vec![("db.system", "redis")], name("redis")),
        (3, vec![("db.system", "redis"), ("db.namespace", "cache")], name("cache")),
        (3, vec![("net.peer.name", "api")], name("api")),
        (3, vec![("net.sock.peer.addr", "10.1.2.3:8080")], json!({ "ipv4": "10.1.2.3" })),
        (3, vec![("server.address", "::1"), ("server.port", "90")], json!({ "ipv6": "::1", "port": 90 })),
        (4, vec![("server.address", "mq"), ("messaging.destination.name", "jobs")], name("jobs")),
        (5, vec![("messaging.destination.name", "jobs")], name("jobs")),
        // At a server, `server.address` is its own.
        (
            2,
            vec![
                ("server.address", "me"),
                ("server.port", "1"),
                ("network.peer.address", "10.0.0.9"),
                ("network.peer.port", "2"),
            ],
            json!({ "ipv4": "10.0.0.9", "port": 2 }),
        ),
        (2, vec![("peer.service", "caller"), ("server.address", "me")], name("caller")),
        (1, vec![("server.address", "db.example")], json!(null)),
    ] {
        let attributes: Vec<_> = attributes.into_iter().map(|(key, value)| text(key, value)).collect();
        let found = one(&request(vec![], vec![span(kind, attributes.clone())]));
        assert_eq!(found["remoteEndpoint"], expected, "{attributes:?}");
    }
}

#[test]
fn a_malformed_span_is_counted_and_the_others_are_read() {
    let good = span(2, vec![]);
    for (faulty, field) in [
        (Span { trace_id: vec![], ..good.clone() }, "traceId"),
        (Span { trace_id: vec![0; 16], ..good.clone() }, "traceId"),
        (Span { trace_id: vec![1; 8], ..good.clone() }, "traceId"),
        (Span { span_id: vec![0; 8], ..good.clone() }, "spanId"),
        (Span { parent_span_id: vec![1; 7], ..good.clone() }, "parentSpanId"),
        (Span { name: "n".repeat(1024 * 1024), ..good.clone() }, ""),
        (span(3, vec![text("peer.service", &"n".repeat(1_025))]), "remoteEndpoint"),
    ] {
        let request = request(vec![], vec![good.clone(), faulty, good.clone()]);
        for batch in [proto(&request.encode_to_vec()), json(&serde_json::to_vec(&request).expect("JSON"))] {
            assert_eq!((batch.spans.len(), batch.malformed_count, &batch.broken), (2, 1, &None), "{field}");
            let malformed = &batch.malformed[0];
            assert_eq!((malformed.index, malformed.field.as_str()), (1, field), "{malformed:?}");
        }
    }
}

#[test]
fn a_body_that_is_no_request_is_broken_where_it_stops_being_one() {
    for (text, offset) in [
        ("", 0),
        ("[]", 0),
        ("{", 0),
        ("{}x", 2),
        (r#"{"resourceSpans":{}}"#, 0),
        (r#"{"resourceSpans":[7]}"#, 18),
    ] {
        let batch = json(text.as_bytes());
        let broken = batch.broken.expect(text);
        assert!(
            broken.offset <= text.len() && (offset == 0 || broken.offset == offset),
            "{text}: {broken:?}"
        );
    }
    assert_eq!(json(b"{\"resourceSpans\":[\xff]}").broken.map(|broken| broken.offset), Some(18));
    assert_eq!(proto(&[0x0a, 9, 1]).broken.map(|broken| broken.offset), Some(0));
    let good = request(vec![], vec![span(1, vec![])]).encode_to_vec();
    let batch = proto(&[&good[..], &[7]].concat());
    assert_eq!((batch.spans.len(), batch.broken.map(|broken| broken.offset)), (1, Some(good.len())));
}

#[test]
fn json_of_lenient_encoders_is_read() {
    let text = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{
        "traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","parentSpanId":"","kind":"SPAN_KIND_SERVER",
        "startTimeUnixNano":1544712660000000000,"endTimeUnixNano":"1544712661000000000","unknown":{},"events":null,
        "attributes":[{"key":"n","value":{"intValue":7}},{"key":"d","value":{"doubleValue":"NaN"}},{"key":"e","value":{}}],
        "status":{"code":"STATUS_CODE_ERROR"}}]}],"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]}}]}"#;
    let batch = json(text.as_bytes());
    assert!(batch.is_whole(), "{batch:?}");
    let span = serde_json::to_value(&batch.spans[0]).expect("JSON");
    assert_eq!(
        span,
        json!({"traceId": "5b8efff798038103d269b633813fc60c", "id": "eee19b7ec3c1b174", "kind": "SERVER",
               "timestamp": 1_544_712_660_000_000_u64, "duration": 1_000_000, "localEndpoint": {"serviceName": "a"},
               "tags": {"d": "NaN", "e": "", "error": "true", "n": "7", "otel.status_code": "ERROR"}})
    );
}

#[test]
fn deep_values_are_cut() {
    let mut value = Value::StringValue("deepest".to_owned());
    for _ in 0..15 {
        value = Value::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(value) }] });
    }
    let found = one(&request(vec![], vec![span(1, vec![attribute("deep", value)])]));
    assert_eq!(found["tags"]["deep"], format!("{}\"…\"{}", "[".repeat(8), "]".repeat(8)));
}

/// A request of ten mebibytes that would be gigabytes as structures is read span by span.
#[test]
fn very_many_empty_messages_are_read_one_by_one() {
    let mut spans = Vec::new();
    for _ in 0..1_000_000 {
        spans.extend_from_slice(&[0x12, 0]);
    }
    let within = |number: u8, bytes: &[u8]| {
        let mut out = vec![number << 3 | 2];
        prost::encoding::encode_varint(bytes.len() as u64, &mut out);
        [out, bytes.to_vec()].concat()
    };
    let batch = proto(&within(1, &within(2, &spans)));
    assert_eq!((batch.malformed_count, batch.malformed.len(), batch.broken), (1_000_000, 32, None));
    let empty = [0x0a, 0].repeat(1_000_000);
    assert_eq!(proto(&empty), Batch::default());
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        ".{0,6}".prop_map(Value::StringValue),
        any::<bool>().prop_map(Value::BoolValue),
        any::<i64>().prop_map(Value::IntValue),
        any::<i32>().prop_map(|value| Value::DoubleValue(f64::from(value) / 8.0)),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let inner = inner.prop_map(|value| AnyValue { value: Some(value) });
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|values| Value::ArrayValue(ArrayValue { values })),
            vec((".{0,3}", inner), 0..3).prop_map(|entries| {
                let values = entries.into_iter().map(|(key, value)| KeyValue {
                    key,
                    value: Some(value),
                    ..Default::default()
                });
                Value::KvlistValue(KeyValueList { values: values.collect() })
            }),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let keys = prop_oneof![
        ".{0,4}",
        prop::sample::select(vec![
            "peer.service",
            "server.address",
            "server.port",
            "error",
            "db.name",
            "same"
        ])
        .prop_map(str::to_owned)
    ];
    vec((keys, values()).prop_map(|(key, value)| attribute(&key, value)), 0..5)
}

prop_compose! {
    fn spans()(
        ids in (vec(any::<u8>(), 16), vec(any::<u8>(), 8), vec(any::<u8>(), 8)),
        texts in (".{0,6}", ".{0,6}", ".{0,6}"),
        kind in 0..7,
        times in any::<(u64, u64, u64)>(),
        attributes in vec(attributes(), 3),
        code in 0..4,
        dropped in any::<u32>(),
    ) -> Span {
        let [own, event, link] = <[_; 3]>::try_from(attributes).expect("three");
        Span {
            trace_id: ids.0.clone(),
            span_id: ids.1.clone(),
            parent_span_id: ids.2,
            trace_state: texts.0,
            name: texts.1.clone(),
            kind,
            start_time_unix_nano: times.0,
            end_time_unix_nano: times.1,
            attributes: own,
            dropped_events_count: dropped,
            events: vec![Event { time_unix_nano: times.2, name: texts.1, attributes: event, ..Default::default() }],
            links: vec![Link { trace_id: ids.0, span_id: ids.1, attributes: link, ..Default::default() }],
            status: Some(Status { message: texts.2, code }),
            ..Default::default()
        }
    }
}

proptest! {
    #[test]
    fn both_encodings_of_any_request_give_the_same_spans(resource in attributes(), spans in vec(spans(), 0..3)) {
        let request = request(resource, spans);
        let first = proto(&request.encode_to_vec());
        let mut second = json(&serde_json::to_vec(&request).expect("JSON"));
        for (one, other) in first.malformed.iter().zip(&mut second.malformed) {
            // Offsets differ between encodings.
            other.offset = one.offset;
        }
        prop_assert_eq!(first, second);
    }

    #[test]
    fn no_input_causes_a_panic(span in spans(), changes in vec((any::<Index>(), any::<u8>()), 0..8)) {
        let request = request(vec![text("service.name", "a")], vec![span]);
        for (mut bytes, read) in [
            (request.encode_to_vec(), proto as fn(&[u8]) -> Batch),
            (serde_json::to_vec(&request).expect("JSON"), json),
        ] {
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            let batch = read(&bytes);
            prop_assert!(batch.malformed.iter().all(|malformed| malformed.offset <= bytes.len()));
            prop_assert!(batch.broken.is_none_or(|broken| broken.offset <= bytes.len()));
        }
    }
}
