//! Interoperability of spans: an independent OTLP receiver, the published model of Zipkin, py-zipkin.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use http_body_util::Full;
use hyper::Request;
use octet_testbed::{OtlpReceiver, check_zipkin_model, eventually, py_zipkin_spans};
use serde_json::{Value, json};

use crate::{
    client::Client,
    platform::Mesh,
    traces::{SPANS, TREE},
    zipkin::{Zipkin, tree},
};

async fn get(url: &str) -> String {
    let reply = Client::new().get(url).await;
    assert_eq!(reply.status, 200, "{url}: {}", reply.text());
    reply.text().to_owned()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[track_caller]
fn is_published_as(definition: &str, json: &str) {
    if let Err(problem) = check_zipkin_model(definition, json) {
        panic!("{problem}\n{json}");
    }
}

/// The spans at `url`, once there are this many.
async fn received(url: &str, spans: usize) -> Vec<Value> {
    eventually(&format!("{spans} spans at {url}"), async || {
        let Value::Array(received) = parsed(&get(url).await) else { panic!("{url} returns no list") };
        if received.len() >= spans { Ok(received) } else { Err(received.len()) }
    })
    .await
}

/// An OTLP span in Zipkin's form, by the rules of OpenTelemetry. The resource is not part of the span.
fn as_zipkin(span: &Value) -> Value {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        // Zipkin's text of a whole number has no fraction.
        Value::Number(number) => number.as_f64().expect("a number").to_string(),
        other => other.to_string(),
    };
    let micros = |name: &str| span[name].as_u64().expect("nanoseconds") / 1_000;
    let mut tags: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in span["attributes"].as_object().expect("attributes") {
        tags.insert(name.clone(), text(value));
    }
    let service = &span["resource"]["service.name"];
    let remote = span["attributes"].get("peer.service");
    json!({
        "traceId": span["traceId"],
        "id": span["id"],
        "parentId": span["parentId"],
        "kind": span["kind"],
        "name": span["name"],
        "timestamp": micros("start"),
        "localEndpoint": {"serviceName": service},
        "remoteEndpoint": {"serviceName": remote},
        "tags": tags,
    })
}

/// The members that both formats share: all but the network addresses, which are attributes in OTLP.
fn essence(span: &Value) -> String {
    let members = ["traceId", "id", "parentId", "kind", "name", "timestamp", "tags"];
    let mut parts: Vec<String> = members.iter().map(|name| format!("{name}={}", span[*name])).collect();
    parts.push(span["localEndpoint"]["serviceName"].to_string());
    parts.push(span["remoteEndpoint"]["serviceName"].to_string());
    parts.join(" ")
}

#[tokio::test]
async fn an_independent_otlp_receiver_gets_the_same_tree_as_zipkin() {
    let (zipkin, otlp) = (Zipkin::start().await, OtlpReceiver::start().await);
    let mesh = Mesh::builder()
        .with("OTEL_TRACES_EXPORTER", "zipkin,otlp")
        .with("OTEL_EXPORTER_ZIPKIN_ENDPOINT", format!("http://{}/api/v2/spans", zipkin.address))
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url(""))
        .with("OTEL_BSP_SCHEDULE_DELAY", "50")
        .start()
        .await;
    get(&mesh.url("/api/greeting")).await;

    let at_otlp = received(&otlp.url("/spans"), SPANS).await;
    let id = zipkin.trace_id().await;
    let at_zipkin = zipkin.trace(&id, SPANS).await;
    let converted: Vec<Value> = at_otlp.iter().map(as_zipkin).collect();
    assert_eq!(tree(&converted), TREE);
    let essences = |spans: &[Value]| spans.iter().map(essence).collect::<BTreeSet<_>>();
    assert_eq!(essences(&converted), essences(&at_zipkin));
    for span in &at_otlp {
        assert!(span["start"].as_u64() < span["end"].as_u64(), "{span}");
        assert_eq!((&span["status"], &span["scope"]), (&json!("UNSET"), &json!("octet")));
        assert_eq!(span["events"], json!([]));
    }
    mesh.end().await;
}

#[tokio::test]
async fn exported_spans_and_collector_responses_match_the_published_model() {
    let zipkin = Zipkin::start().await;
    let mut builder = Mesh::builder();
    for (name, value) in zipkin.environment() {
        builder = builder.with(name, value);
    }
    let exporting = builder.start().await;
    get(&exporting.url("/api/greeting")).await;
    let id = zipkin.trace_id().await;
    let exported = Value::Array(zipkin.trace(&id, SPANS).await);
    is_published_as("ListOfSpans", &exported.to_string());
    exporting.end().await;

    let mesh = Mesh::builder().with("OTEL_BSP_SCHEDULE_DELAY", "50").start().await;
    get(&mesh.url("/api/greeting")).await;
    // One trace contains an error.
    let expired = Request::get(mesh.url("/api/greeting")).header("grpc-timeout", "1u").body(Full::default());
    let failed = Client::new().send(expired.expect("a request")).await.expect("a response");
    assert_eq!(failed.status, 504);
    let url = mesh.collector("/api/v2/traces?limit=10");
    let answered = eventually("a complete trace and one with an error", async || {
        let text = get(&url).await;
        let Value::Array(traces) = parsed(&text) else { panic!("no list: {text}") };
        let is_complete =
            traces.iter().any(|trace| trace.as_array().is_some_and(|trace| trace.len() == SPANS));
        (is_complete && text.contains(r#""error":""#)).then_some(text)
    })
    .await;
    is_published_as("ListOfTraces", &answered);
    let id = parsed(&answered)[0][0]["traceId"].as_str().expect("an id").to_owned();
    is_published_as("Trace", &get(&mesh.collector(&format!("/api/v2/trace/{id}"))).await);
    is_published_as(
        "ListOfTraces",
        &get(&mesh.collector(&format!("/api/v2/traceMany?traceIds={id},00000000000000ab"))).await,
    );
    let services = get(&mesh.collector("/api/v2/services")).await;
    is_published_as("ServiceNames", &services);
    assert_eq!(parsed(&services).as_array().expect("names").len(), 9, "{services}");
    let names = get(&mesh.collector("/api/v2/spans?serviceName=service-f")).await;
    is_published_as("SpanNames", &names);
    assert_eq!(parsed(&names), json!(["insert messages", "process service-d.greeting"]));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis();
    let links = get(&mesh.collector(&format!("/api/v2/dependencies?endTs={now}&lookback=600000"))).await;
    is_published_as("ListOfDependencyLinks", &links);
    assert!(parsed(&links).as_array().expect("links").len() >= 11, "{links}");
    mesh.end().await;
}

#[test]
fn the_published_model_refuses_invalid_json() {
    for (definition, json) in [
        ("ListOfSpans", r#"[{"traceId":"1","id":"00000000000000ab"}]"#),
        ("ListOfSpans", r#"[{"traceId":"00000000000000aB","id":"00000000000000ab"}]"#),
        ("ListOfSpans", r#"[{"traceId":"00000000000000ab"}]"#),
        ("ListOfSpans", r#"[{"traceId":"00000000000000ab","id":"00000000000000ab","duration":0}]"#),
        ("ListOfSpans", r#"[{"traceId":"00000000000000ab","id":"00000000000000ab","tags":{"a":1}}]"#),
        ("ListOfTraces", r#"[{"traceId":"00000000000000ab","id":"00000000000000ab"}]"#),
        ("ListOfDependencyLinks", r#"[{"parent":"a","child":"b"}]"#),
    ] {
        check_zipkin_model(definition, json).expect_err(json);
    }
}

#[tokio::test]
async fn a_trace_encoded_by_py_zipkin_is_accepted_and_found() {
    let mesh = Mesh::builder().with("OTEL_TRACES_EXPORTER", "none").start().await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let id = "463ac35c9f6413ad48485a3953bb6124";
    let spans = py_zipkin_spans(id, now.as_secs_f64() - 1.0);
    let report = Request::post(mesh.collector("/api/v2/spans")).body(Full::from(spans.clone()));
    let accepted = Client::new().send(report.expect("a request")).await.expect("a response");
    assert_eq!(accepted.status, 202, "{}", accepted.text());

    let trace = get(&mesh.collector(&format!("/api/v2/trace/{id}"))).await;
    is_published_as("Trace", &trace);
    let (sent, kept) = (parsed(&spans), parsed(&trace));
    for index in 0..2 {
        for member in
            ["traceId", "id", "parentId", "kind", "name", "timestamp", "duration", "tags", "localEndpoint"]
        {
            assert_eq!(sent[index][member], kept[index][member], "{member}");
        }
    }
    let query = "annotationQuery=error%3Drefused&serviceName=py-back&minDuration=6000&limit=1";
    let found = parsed(&get(&mesh.collector(&format!("/api/v2/traces?{query}"))).await);
    assert_eq!(found[0][0]["traceId"], id);
    let edges = parsed(&get(&mesh.url("/api/mesh?lookback=5m")).await);
    let edge = &edges["edges"][0];
    assert_eq!(
        (&edge["caller"], &edge["callee"], &edge["errors"]),
        (&json!("py-front"), &json!("py-back"), &json!(1))
    );
    mesh.end().await;
}
