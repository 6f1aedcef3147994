//! Interoperability of spans: an independent OTLP receiver, the published model of Zipkin, py-zipkin.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use http_body_util::Full;
use hyper::Request;
use octet_testbed::{
    Authority, OtlpReceiver, TlsFront, check_zipkin_model, eventually, otel_sdk_spans, py_zipkin_spans,
};
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

/// The ways of OTLP: protocol and compression.
const WAYS: [(&str, &str); 4] =
    [("http/protobuf", "none"), ("http/protobuf", "gzip"), ("http/json", "none"), ("grpc", "gzip")];

#[tokio::test]
async fn an_independent_otlp_receiver_gets_the_same_tree_as_zipkin_by_each_way() {
    for (protocol, compression) in WAYS {
        let (zipkin, otlp) = (Zipkin::start().await, OtlpReceiver::start().await);
        let receiver = if protocol == "grpc" { otlp.grpc() } else { otlp.http() };
        let mesh = Mesh::builder()
            .with("OTEL_TRACES_EXPORTER", "zipkin,otlp")
            .with("OTEL_EXPORTER_ZIPKIN_ENDPOINT", format!("http://{}/api/v2/spans", zipkin.address))
            .with("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{receiver}"))
            .with("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .with("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
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
            assert!(span["way"].as_str().expect("a way").starts_with(protocol), "{span}");
            assert!(span["start"].as_u64() < span["end"].as_u64(), "{span}");
            assert_eq!((&span["status"], &span["scope"]), (&json!("UNSET"), &json!("octet")));
            assert_eq!(span["events"], json!([]));
        }
        mesh.end().await;
    }
}

/// A span that the collector received as OTLP, without what Zipkin's format has no place for, or the other way round; its
/// name as the collector has it.
fn comparable(span: &Value) -> Value {
    let mut span = span.clone();
    if let Some(tags) = span["tags"].as_object_mut() {
        tags.retain(|name, _| !name.starts_with("otel.scope.") && name != "service.instance.id");
    }
    // The address that the process serves is not part of OTLP's resource.
    span["localEndpoint"] = json!({ "serviceName": span["localEndpoint"]["serviceName"] });
    span["name"] = span["name"].as_str().expect("a name").to_lowercase().into();
    span
}

#[tokio::test]
async fn the_collector_gets_the_same_spans_by_each_way_of_otlp_as_zipkin() {
    for (protocol, compression) in WAYS {
        let zipkin = Zipkin::start().await;
        let mesh = Mesh::builder()
            .with("OTEL_TRACES_EXPORTER", "zipkin,otlp")
            .with("OTEL_EXPORTER_ZIPKIN_ENDPOINT", format!("http://{}/api/v2/spans", zipkin.address))
            .with("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .with("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
            .with("OTEL_BSP_SCHEDULE_DELAY", "50")
            .start()
            .await;
        get(&mesh.url("/api/greeting")).await;
        let id = zipkin.trace_id().await;
        let by_id = |spans: Vec<Value>| -> BTreeMap<String, Value> {
            spans.iter().map(|span| (span["id"].to_string(), comparable(span))).collect()
        };
        let at_zipkin = by_id(zipkin.trace(&id, SPANS).await);
        let url = mesh.collector(&format!("/api/v2/trace/{id}"));
        let stored = eventually("the trace", async || {
            let reply = Client::new().get(&url).await;
            let spans: Vec<Value> = serde_json::from_slice(&reply.body).unwrap_or_default();
            if spans.len() >= SPANS { Ok(spans) } else { Err(reply.text().to_owned()) }
        })
        .await;
        for (id, span) in by_id(stored) {
            assert_eq!(span, at_zipkin[&id], "{protocol} {compression}");
        }
        let edges = parsed(&get(&mesh.url("/api/mesh?lookback=5m")).await);
        assert_eq!(edges["edges"].as_array().expect("edges").len(), 12, "{edges}");
        mesh.end().await;
    }
}

#[tokio::test]
async fn spans_are_exported_over_tls_that_a_certificate_file_or_the_systems_authorities_authenticate() {
    let authority = Authority::new();
    let (zipkin, otlp) = (Zipkin::start().await, OtlpReceiver::start().await);
    let front = async |to| TlsFront::start(&authority, to).await;
    let fronts = [front(zipkin.address).await, front(otlp.http()).await, front(otlp.grpc()).await];
    let [at_zipkin, at_http, at_grpc] = fronts.each_ref().map(|front| front.address().port());
    let mut expected = SPANS;
    let own = ["OTEL_EXPORTER_ZIPKIN_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
    // By its convention, this file replaces the system's authorities.
    let system = ["SSL_CERT_FILE", "SSL_CERT_FILE"];
    for (protocol, port, variables) in [
        ("http/protobuf", at_http, own),
        ("grpc", at_grpc, own),
        ("http/protobuf", at_http, system),
        ("grpc", at_grpc, system),
    ] {
        let certificate = authority.ca();
        let mut mesh = Mesh::builder();
        for variable in variables {
            mesh = mesh.with(variable, certificate.to_str().expect("UTF-8"));
        }
        let mesh = mesh
            .with("OTEL_TRACES_EXPORTER", "zipkin,otlp")
            .with("OTEL_EXPORTER_ZIPKIN_ENDPOINT", format!("https://localhost:{at_zipkin}/api/v2/spans"))
            .with("OTEL_EXPORTER_OTLP_ENDPOINT", format!("https://localhost:{port}"))
            .with("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .with("OTEL_BSP_SCHEDULE_DELAY", "50")
            .start()
            .await;
        get(&mesh.url("/api/greeting")).await;
        received(&otlp.url("/spans"), expected).await;
        eventually("the spans at Zipkin", async || {
            let spans = zipkin.spans().len();
            if spans >= expected { Ok(()) } else { Err(spans) }
        })
        .await;
        expected += SPANS;
        mesh.end().await;
    }
}

#[tokio::test]
async fn a_call_reported_by_opentelemetrys_python_sdk_is_found_and_counted() {
    let mesh = Mesh::builder().with("OTEL_TRACES_EXPORTER", "none").start().await;
    let grpc = format!("http://{}", mesh.otlp_grpc());
    for (protocol, endpoint) in [("http/protobuf", mesh.otlp_http("/v1/traces")), ("grpc", grpc)] {
        let id =
            tokio::task::spawn_blocking(move || otel_sdk_spans(protocol, &endpoint)).await.expect("spans");
        let trace = parsed(&get(&mesh.collector(&format!("/api/v2/trace/{id}"))).await);
        let span = |service: &str| {
            let mut spans = trace.as_array().expect("spans").iter();
            spans.find(|span| span["localEndpoint"]["serviceName"] == service).expect("a span")
        };
        let (front, back) = (span("py-front"), span("py-back"));
        assert_eq!((&front["kind"], &front["name"]), (&json!("CLIENT"), &json!("get /")));
        assert_eq!(front["remoteEndpoint"]["serviceName"], "py-back.example");
        assert_eq!((&back["kind"], &back["parentId"]), (&json!("SERVER"), &front["id"]));
        assert_eq!(back["annotations"][0]["value"], "refused reason=test");
        let tags = &front["tags"];
        assert_eq!(tags["otel.link.0"], "000000000000000a/000000000000000b");
        assert_eq!((&tags["list"], &tags["otel.scope.name"]), (&json!(r#"["a","b"]"#), &json!("sdk-test")));
        assert_eq!(
            (&tags["deployment.environment.name"], &back["tags"]["error"]),
            (&json!("test"), &json!("refused"))
        );
        let query = "annotationQuery=error%3Drefused&serviceName=py-back&limit=10";
        let found = parsed(&get(&mesh.collector(&format!("/api/v2/traces?{query}"))).await);
        assert!(found.as_array().expect("traces").iter().any(|trace| trace[0]["traceId"] == id), "{found}");
    }
    let edges = parsed(&get(&mesh.url("/api/mesh?lookback=5m")).await);
    let edge = &edges["edges"][0];
    assert_eq!(
        (&edge["caller"], &edge["callee"], &edge["count"], &edge["errors"]),
        (&json!("py-front"), &json!("py-back"), &json!(2), &json!(2)),
        "{edges}"
    );
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
