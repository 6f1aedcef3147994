//! One trace covers REST, the eight services, the queue and the four databases.

use http_body_util::Full;
use hyper::Request;
use octet_testbed::eventually;
use serde_json::Value;

use crate::{
    client::Client,
    load::Load,
    platform::{Mesh, PROCESSES},
    stub::{Behaviour, Stub},
    zipkin::{Zipkin, tree},
};

/// Every span of one request, each below its parent.
pub const TREE: &str = "\
gateway SERVER GET /api/greeting
  gateway CLIENT Greeting → service-a
    service-a SERVER Greeting ← gateway
      service-a CLIENT Greeting → service-b
        service-b SERVER Greeting ← service-a
          service-b CLIENT Greeting → service-d
            service-d SERVER Greeting ← service-b
              service-d PRODUCER send service-d.greeting → service-d.greeting
                service-f CONSUMER process service-d.greeting → service-d.greeting
                  service-f CLIENT insert messages → service-f.messages
          service-b CLIENT Greeting → service-e
            service-e SERVER Greeting ← service-b
              service-e CLIENT Greeting → service-g
                service-g SERVER Greeting ← service-e
                  service-g CLIENT insert greetings → service-g.greetings
              service-e CLIENT Greeting → service-h
                service-h SERVER Greeting ← service-e
                  service-h CLIENT insert greetings → service-h.greetings
      service-a CLIENT Greeting → service-c
        service-c SERVER Greeting ← service-a
          service-c CLIENT insert greetings → service-c.greetings
";

pub const SPANS: usize = 21;

async fn traced(zipkin: &Zipkin, more: &[(&str, String)]) -> Mesh {
    let mut builder = Mesh::builder();
    for (name, value) in zipkin.environment() {
        builder = builder.with(name, value);
    }
    for (name, value) in more {
        builder = builder.with(name, value);
    }
    builder.start().await
}

async fn greet(mesh: &Mesh, headers: &[(&str, &str)]) {
    let mut request = Request::get(mesh.url("/api/greeting"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let reply = Client::new().send(request.body(Full::default()).expect("a request")).await;
    assert_eq!(reply.expect("a response").status, 200);
}

#[tokio::test]
async fn one_request_is_one_trace_and_every_process_logs_its_id() {
    let zipkin = Zipkin::start().await;
    let mesh = traced(&zipkin, &[]).await;
    // A client cannot pretend to be a caller of the entry.
    greet(&mesh, &[("user-agent", "service-b/1")]).await;

    let id = zipkin.trace_id().await;
    let trace = zipkin.trace(&id, SPANS).await;
    assert_eq!(tree(&trace), TREE);
    for process in PROCESSES.into_iter().filter(|process| *process != "collector") {
        mesh.logs(process, &format!(r#""trace_id":"{id}""#)).await;
    }
    for span in &trace {
        assert_eq!(span.get("error"), None, "{span}");
        assert!(
            span["timestamp"].as_u64() > Some(1_700_000_000_000_000) && span["duration"].as_u64() > Some(0)
        );
        assert_eq!(span.get("shared"), None);
        assert!(span["tags"].as_object().expect("tags").values().all(Value::is_string), "{span}");
    }

    // By the OpenTelemetry conventions for HTTP.
    let gateway = trace.iter().find(|span| span["name"] == "GET /api/greeting").expect("in the tree");
    let port = mesh.url("").rsplit_once(':').expect("a port").1.to_owned();
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/api/greeting"),
        ("http.response.status_code", "200"),
        ("url.path", "/api/greeting"),
        ("url.scheme", "http"),
        ("network.protocol.version", "1.1"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port),
        ("client.address", "127.0.0.1"),
        ("network.peer.address", "127.0.0.1"),
    ] {
        assert_eq!(gateway["tags"][name], value, "{name}");
    }
    let tag = |name: &str| gateway["tags"][name].as_str().map(str::parse::<u16>);
    let peer = tag("network.peer.port").expect("a tag").expect("a port");
    // The remote endpoint is the client, not the host of the request.
    assert_eq!(gateway["remoteEndpoint"], serde_json::json!({"ipv4": "127.0.0.1", "port": peer}));

    // The deadline shrinks from hop to hop, and a message is received after it was sent.
    let tag = |service: &str, kind: &str, name: &str| {
        let is_it = |span: &&Value| span["localEndpoint"]["serviceName"] == service && span["kind"] == kind;
        let span = trace.iter().find(is_it).expect("in the tree");
        span["tags"][name].as_str().expect("a tag").parse::<f64>().expect("a number")
    };
    let left = |service| tag(service, "SERVER", "octet.deadline.remaining_ms");
    let path = ["gateway", "service-a", "service-b", "service-e", "service-g"].map(left);
    assert!(path.is_sorted_by(|earlier, later| earlier > later), "{path:?}");
    for span in &trace {
        // Rounded to a microsecond.
        let left = span["tags"]["octet.deadline.remaining_ms"].as_str().unwrap_or_default();
        let (_, digits) = left.split_once('.').unwrap_or_default();
        assert!(digits.len() <= 3, "{span}");
    }
    assert!(tag("service-f", "CONSUMER", "octet.queue.wait_ms") >= 0.0);
    mesh.end().await;
}

#[tokio::test]
async fn the_spans_of_a_failed_request_have_its_type_of_error() {
    let zipkin = Zipkin::start().await;
    // Nothing listens on this port.
    let mesh = traced(&zipkin, &[("SERVICE_A_URL", "127.0.0.1:9".to_owned())]).await;
    assert_eq!(Client::new().get(&mesh.url("/api/greeting")).await.status, 503);
    for (kind, error) in [("SERVER", "503"), ("CLIENT", "UNAVAILABLE")] {
        eventually(&format!("the {kind} span of the gateway has arrived"), async || {
            let spans = zipkin.spans();
            let span = spans.iter().find(|span| span["kind"] == kind).ok_or("absent")?;
            assert_eq!(span["tags"]["error.type"], error, "{span}");
            Ok::<_, &str>(())
        })
        .await;
    }
    mesh.end().await;
}

#[tokio::test]
async fn an_incoming_trace_is_continued_and_outgoing_headers_name_our_spans() {
    let zipkin = Zipkin::start().await;
    let leaf = Stub::start(Behaviour::Echoes).await;
    let mesh = traced(&zipkin, &[("SERVICE_G_URL", leaf.address.to_string())]).await;
    let incoming = [
        ("x-b3-traceid", "0af7651916cd43dd8448eb211c80319c"),
        ("x-b3-spanid", "b7ad6b7169203331"),
        ("x-b3-sampled", "1"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "congo=t61rcWkgMzE"),
        // The single header wins over the multi form and over W3C.
        ("b3", "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-1"),
        ("x-request-id", "7f9c-request"),
        ("baggage", "user=alice"),
        ("x-ot-span-context", "span;context"),
    ];
    greet(&mesh, &incoming).await;

    let trace = zipkin.trace("463ac35c9f6413ad48485a3953bb6124", SPANS - 2).await;
    let gateway = trace.iter().find(|span| span["name"] == "GET /api/greeting").expect("there");
    assert_eq!(gateway["parentId"], "a2fb4a1d1a96d312");
    assert_eq!(zipkin.spans().len(), trace.len(), "no other trace");

    let metadata = leaf.last();
    let header = |name: &str| metadata.get(name).map(|value| value.to_str().expect("text").to_owned());
    let is_it = |span: &&Value| span["remoteEndpoint"]["serviceName"] == "service-g";
    let client = trace.iter().find(is_it).expect("there");
    let (id, parent) =
        (client["id"].as_str().expect("an id"), client["parentId"].as_str().expect("a parent"));
    assert_eq!(header("x-b3-traceid").as_deref(), Some("463ac35c9f6413ad48485a3953bb6124"));
    assert_eq!(header("x-b3-spanid").as_deref(), Some(id));
    assert_eq!(header("x-b3-parentspanid").as_deref(), Some(parent));
    assert_eq!(header("x-b3-sampled").as_deref(), Some("1"));
    let w3c = format!("00-463ac35c9f6413ad48485a3953bb6124-{id}-01");
    assert_eq!(header("traceparent"), Some(w3c));
    // The other trace headers are gone, and headers that are not trace headers are propagated.
    assert_eq!((header("b3"), header("tracestate"), header("x-b3-flags")), (None, None, None));
    for (name, value) in incoming.into_iter().skip(6) {
        assert_eq!(header(name).as_deref(), Some(value), "{name}");
    }

    // The state of a trace with W3C headers only reaches the leaf, although each hop reads B3 first.
    greet(&mesh, &incoming[3..5]).await;
    assert_eq!(leaf.last().get("tracestate").expect("propagated"), "congo=t61rcWkgMzE");
    mesh.end().await;
}

#[tokio::test]
async fn a_trace_that_is_not_sampled_is_propagated_without_spans() {
    let zipkin = Zipkin::start().await;
    let leaf = Stub::start(Behaviour::Echoes).await;
    let mesh = traced(&zipkin, &[("SERVICE_G_URL", leaf.address.to_string())]).await;
    let ids = [("x-b3-traceid", "463ac35c9f6413ad48485a3953bb6124"), ("x-b3-spanid", "a2fb4a1d1a96d312")];
    greet(&mesh, &[ids[0], ids[1], ("x-b3-sampled", "0")]).await;
    let metadata = leaf.last();
    for (name, value) in ids.into_iter().chain([("x-b3-sampled", "0")]) {
        assert_eq!(metadata.get(name).expect("propagated"), value, "{name}");
    }
    // The decision alone applies to the trace that starts here.
    greet(&mesh, &[("x-b3-sampled", "0")]).await;
    assert_eq!(leaf.last().get("x-b3-sampled").expect("propagated"), "0");

    // A malformed id starts a new trace. When its spans have arrived, those of the other requests would have too.
    greet(&mesh, &[("x-b3-traceid", "+63ac35c9f6413ad48485a3953bb6124"), ids[1]]).await;
    let id = zipkin.trace_id().await;
    let trace = zipkin.trace(&id, SPANS - 2).await;
    assert_eq!(zipkin.spans().len(), trace.len());
    assert!(trace.iter().any(|span| span.get("parentId").is_none()), "a root of its own");
    mesh.end().await;
}

#[tokio::test]
async fn a_trace_backend_that_dies_under_load_fails_no_request() {
    let zipkin = Zipkin::start().await;
    let mesh = traced(&zipkin, &[("OTEL_BSP_MAX_QUEUE_SIZE", "200".to_owned())]).await;
    let load = Load::start(&mesh, 10, 60);
    load.reaches(100).await;
    drop(zipkin);
    let report = load.finish().await;
    report.assert_all_valid();
    assert_eq!(report.failures(), [].into());
    mesh.logs("service-a", "export of spans failed").await;
    mesh.metric_reaches("service-a", r#"octet_trace_spans_total{exporter="zipkin",result="dropped"}"#, 1)
        .await;
    mesh.end().await;
}

#[tokio::test]
async fn without_an_exporter_every_process_logs_the_incoming_trace_id() {
    let mesh = Mesh::builder().with("OTEL_TRACES_EXPORTER", "none").start().await;
    let id = "463ac35c9f6413ad48485a3953bb6124";
    greet(&mesh, &[("b3", &format!("{id}-a2fb4a1d1a96d312-1"))]).await;
    for process in PROCESSES.into_iter().filter(|process| *process != "collector") {
        mesh.logs(process, &format!(r#""trace_id":"{id}""#)).await;
    }
    mesh.end().await;
}
