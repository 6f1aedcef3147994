//! The export of spans to a backend that accepts, refuses, hangs or dies: no call ever waits for it.
#![allow(unreachable_pub, missing_docs, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod backend;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use backend::{Backend, Behaviour, until};
use http::HeaderMap;
use octet_runtime::{
    drain::Drain,
    environment::Environment,
    metrics::Metrics,
    telemetry::{GrpcSpan, Span, SpanKind, Telemetry, TelemetrySettings, Tracer},
};
use serde_json::json;
use tonic::Status;

struct Process {
    telemetry: Telemetry,
    tracer: Tracer,
    metrics: Metrics,
}

impl Process {
    fn start(variables: &[(&str, String)]) -> Self {
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let mut environment = Environment::new(&variables);
        let settings = TelemetrySettings::from_environment(&mut environment);
        let settings = environment.finish(settings).expect("valid");
        let metrics = Metrics::new("service-x").expect("metrics");
        let local = "127.0.0.1:50051".parse().ok();
        let telemetry = Telemetry::start(&settings, "service-x", local, &metrics).expect("starts");
        Self { tracer: telemetry.tracer(), telemetry, metrics }
    }

    fn zipkin(backend: &str, more: &[(&str, &str)]) -> Self {
        let mut variables = vec![
            ("OTEL_TRACES_EXPORTER", "zipkin".to_owned()),
            ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", format!("http://{backend}/api/v2/spans")),
            ("OTEL_BSP_SCHEDULE_DELAY", "10".to_owned()),
        ];
        variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Self::start(&variables)
    }

    fn spans(&self, spans: usize) {
        let nothing = self.tracer.extract(&HeaderMap::new());
        for _ in 0..spans {
            drop(self.tracer.start(&nothing, SpanKind::Server, "test"));
        }
    }

    fn counted(&self, result: &str) -> usize {
        let text = self.metrics.text().expect("text");
        let counted = text.lines().filter(|line| {
            line.starts_with("octet_trace_spans_total") && line.contains(&format!("result=\"{result}\""))
        });
        counted.map(|line| line.rsplit(' ').next().expect("a value").parse::<usize>().expect("a count")).sum()
    }
}

#[tokio::test]
async fn a_span_is_encoded_as_zipkin_has_it_in_protobuf_and_json() {
    for protocol in ["http/protobuf", "http/json"] {
        let backend = Backend::start(Behaviour::Accepts).await;
        a_span_is_encoded(&backend, protocol).await;
        assert_eq!(backend.in_json() > 0, protocol == "http/json");
    }
}

async fn a_span_is_encoded(backend: &Backend, protocol: &str) {
    let variables = [("OTEL_RESOURCE_ATTRIBUTES", "zone=a%22b"), ("OTEL_EXPORTER_ZIPKIN_PROTOCOL", protocol)];
    let process = Process::zipkin(&backend.address.to_string(), &variables);
    let mut headers = HeaderMap::new();
    headers.insert("b3", "48485a3953bb6124-a2fb4a1d1a96d312-d".parse().expect("a value"));
    let extracted = process.tracer.extract(&headers);
    let peer = "[::1]:7".parse().ok();
    let span = GrpcSpan::server(&process.tracer, &extracted, "/p.S/M", Some(&"service-a".into()), peer);
    let child = span.span().scope(async {
        let mut child = Span::child(SpanKind::Client, "insert \"x\"\n");
        child.set("peer.service", "db");
        child.event("waits", &[("reason", "é")]);
        child.ids().expect("recorded")
    });
    let child = child.await;
    span.end(Err(&Status::unavailable("away")));
    until("both spans", || backend.spans().len() == 2).await;

    let spans = backend.spans();
    let (inner, outer) = (&spans[0], &spans[1]);
    assert_eq!((&inner["debug"], &outer["debug"]), (&json!(true), &json!(true)), "B3's debug flag");
    assert_eq!((&inner["id"], &inner["parentId"]), (&json!(child.span.expect("a span")), &outer["id"]));
    assert_eq!((&inner["name"], &inner["kind"]), (&json!("insert \"x\"\n"), &json!("CLIENT")));
    assert_eq!(inner["remoteEndpoint"], json!({"serviceName": "db"}));
    assert_eq!(inner["annotations"][0]["value"], "waits reason=é");
    assert_eq!(inner["traceId"], "48485a3953bb6124");
    assert_eq!(outer["parentId"], "a2fb4a1d1a96d312");
    assert_eq!(
        outer["localEndpoint"],
        json!({"serviceName": "service-x", "ipv4": "127.0.0.1", "port": 50051})
    );
    assert_eq!(outer["remoteEndpoint"], json!({"serviceName": "service-a", "ipv6": "::1", "port": 7}));
    assert_eq!(
        outer["tags"],
        json!({
            "zone": "a\"b",
            "rpc.system.name": "grpc",
            "rpc.method": "p.S/M",
            "peer.service": "service-a",
            "network.peer.address": "::1",
            "network.peer.port": "7",
            "rpc.response.status_code": "UNAVAILABLE",
            "error.type": "UNAVAILABLE",
            "otel.status_code": "ERROR",
            "error": "Unavailable: away",
        })
    );
}

#[tokio::test]
async fn batches_share_one_connection() {
    let backend = Backend::start(Behaviour::Accepts).await;
    let process = Process::zipkin(&backend.address.to_string(), &[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100")]);
    process.spans(1_000);
    until("all spans", || backend.spans().len() == 1_000).await;
    assert_eq!((backend.posts(), backend.connections()), (10, 1));
    until("all are counted", || process.counted("exported") == 1_000).await;
    assert_eq!(process.counted("dropped"), 0);
}

#[tokio::test]
async fn long_texts_are_cut() {
    let backend = Backend::start(Behaviour::Accepts).await;
    let process = Process::zipkin(&backend.address.to_string(), &[]);
    let long = format!("x{}", "ä".repeat(32_000));
    let mut span = process.tracer.start(&process.tracer.extract(&HeaderMap::new()), SpanKind::Server, &long);
    span.set("url.path", &long);
    span.set("url.scheme", &"x".repeat(1_024));
    span.event("waits", &[("reason", &long)]);
    span.fail(|| long.clone());
    drop(span);
    until("the span", || !backend.spans().is_empty()).await;

    let span = &backend.spans()[0];
    assert_eq!(span.get("debug"), None, "no debug flag");
    let cut = format!("x{}…", "ä".repeat(511));
    for (text, before) in [
        (&span["name"], ""),
        (&span["tags"]["url.path"], ""),
        (&span["tags"]["error"], ""),
        (&span["annotations"][0]["value"], "waits reason="),
    ] {
        assert_eq!(*text, format!("{before}{cut}"));
    }
    assert_eq!(span["tags"]["url.scheme"], "x".repeat(1_024));
}

#[tokio::test]
async fn a_batch_of_large_spans_is_posted_before_it_exceeds_a_collectors_limit() {
    const MEBIBYTE: usize = 1024 * 1024;
    // In JSON, the quotation marks are twice as long; both are below the 10 MiB that collectors accept.
    for (protocol, spans, full, limit) in
        [("http/protobuf", 500, 5, MEBIBYTE + 16 * 1024), ("http/json", 250, 2, 3 * MEBIBYTE)]
    {
        let sizes = sizes_of_large_batches(protocol, spans, full).await;
        assert!(sizes.len() > full && sizes.iter().all(|size| *size < limit), "{sizes:?}");
    }
}

/// The sizes of the posts of `spans`, of which `full` are made before the flush.
async fn sizes_of_large_batches(protocol: &str, spans: usize, full: usize) -> Vec<usize> {
    let backend = Backend::start(Behaviour::Accepts).await;
    let variables = [("OTEL_BSP_SCHEDULE_DELAY", "600000"), ("OTEL_EXPORTER_ZIPKIN_PROTOCOL", protocol)];
    let process = Process::zipkin(&backend.address.to_string(), &variables);
    // Let the worker find an empty queue first, and wait.
    tokio::task::yield_now().await;
    let nothing = process.tracer.extract(&HeaderMap::new());
    for _ in 0..spans {
        let mut span = process.tracer.start(&nothing, SpanKind::Server, "test");
        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"] {
            span.set(name, &"\"".repeat(1_024));
        }
    }
    until("the full batches", || backend.bodies().len() >= full).await;
    process.telemetry.flush(Duration::from_secs(10), &Drain::never()).await;
    assert_eq!(backend.spans().len(), spans);
    backend.bodies().iter().map(|(_, body)| body.len()).collect()
}

#[tokio::test]
async fn spans_beyond_the_queue_are_dropped_and_counted_without_blocking() {
    let backend = Backend::start(Behaviour::Hangs).await;
    let limits = [("OTEL_BSP_MAX_QUEUE_SIZE", "100"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")];
    let process = Process::zipkin(&backend.address.to_string(), &limits);
    process.spans(10);
    until("a post that hangs", || backend.posts() == 1).await;
    let started = Instant::now();
    process.spans(10_000);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(process.counted("dropped"), 9_900);

    // The flush does not wait beyond its grace period either.
    let Process { telemetry, metrics, tracer } = process;
    let started = Instant::now();
    telemetry.flush(Duration::from_millis(100), &Drain::never()).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    drop(tracer);
    let text = metrics.text().expect("text");
    assert!(text.contains(r#"octet_trace_spans_total{exporter="zipkin",result="dropped"} 10000"#), "{text}");
}

#[tokio::test]
async fn a_temporary_refusal_is_retried_and_loses_nothing() {
    let backend = Backend::start(Behaviour::Refuses(503)).await;
    let process = Process::zipkin(&backend.address.to_string(), &[]);
    process.spans(5);
    until("a first attempt", || backend.posts() >= 1).await;
    backend.becomes(Behaviour::Accepts);
    until("the spans", || backend.spans().len() == 5).await;
    assert_eq!(process.counted("dropped"), 0);
}

#[tokio::test]
async fn a_backend_that_recovers_learns_how_many_spans_were_dropped_even_without_new_ones() {
    let backend = Backend::start(Behaviour::Refuses(400)).await;
    let limits = [("OTEL_BSP_MAX_QUEUE_SIZE", "100"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")];
    let process = Process::zipkin(&backend.address.to_string(), &limits);
    process.spans(1_000);
    until("the drops", || process.counted("dropped") >= 910).await;
    backend.becomes(Behaviour::Accepts);
    until("the report of all drops", || backend.dropped() + backend.spans().len() == 1_000).await;
    assert_eq!(backend.dropped(), process.counted("dropped"));
    assert_eq!(process.counted("exported"), backend.spans().len());
}

#[tokio::test]
async fn a_permanent_refusal_drops_the_batch_without_a_retry() {
    // In JSON, too: 400 can mean that the backend does not know protobuf.
    for (protocol, status, posts) in [
        ("http/protobuf", 400, 2),
        ("http/protobuf", 415, 2),
        ("http/protobuf", 403, 1),
        ("http/json", 400, 1),
    ] {
        let backend = Backend::start(Behaviour::Refuses(status)).await;
        let variables = [("OTEL_EXPORTER_ZIPKIN_PROTOCOL", protocol)];
        let process = Process::zipkin(&backend.address.to_string(), &variables);
        process.spans(5);
        until("the drop", || process.counted("dropped") == 5).await;
        assert_eq!(backend.posts(), posts, "{protocol} {status}");
    }
}

#[tokio::test]
async fn a_backend_that_refuses_protobuf_gets_the_same_spans_in_json_and_all_later_ones() {
    for status in [400, 415] {
        let backend = Backend::start(Behaviour::RefusesProtobuf(status)).await;
        let limits = [("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")];
        let process = Process::zipkin(&backend.address.to_string(), &limits);
        process.spans(10);
        until("the first batch", || backend.spans().len() == 10).await;
        assert_eq!((backend.posts(), backend.in_json()), (2, 1), "{status}");
        process.spans(20);
        until("the others", || process.counted("exported") == 30).await;
        assert_eq!((backend.spans().len(), process.counted("dropped")), (30, 0), "{status}");
        assert_eq!(backend.in_json(), backend.bodies().len(), "{status}");
        assert_eq!(backend.posts(), backend.bodies().len() + 1, "protobuf is tried once");
    }
}

#[tokio::test]
async fn one_batch_that_is_refused_in_both_formats_does_not_change_the_format() {
    let backend = Backend::start(Behaviour::Refuses(400)).await;
    let process = Process::zipkin(&backend.address.to_string(), &[]);
    process.spans(1);
    until("the drop", || process.counted("dropped") == 1).await;
    backend.becomes(Behaviour::Accepts);
    process.spans(2);
    until("the spans", || backend.spans().len() == 2).await;
    assert_eq!(backend.in_json(), 0);
}

#[tokio::test]
async fn a_backend_that_starts_late_receives_the_spans_that_end_afterwards() {
    // Bound and not listening: connections are refused, and the port stays reserved.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let address = socket.local_addr().expect("bound");
    let process = Process::zipkin(&address.to_string(), &[]);
    process.spans(3);
    until("the drop", || process.counted("dropped") == 3).await;

    let backend = Backend::on(socket.listen(16).expect("listens"), Behaviour::Accepts);
    process.spans(4);
    until("the spans", || backend.spans().len() == 4).await;
    until("their count", || process.counted("exported") == 4).await;
}

#[tokio::test]
async fn the_last_spans_are_exported_by_the_flush() {
    let backend = Backend::start(Behaviour::Accepts).await;
    let late = [("OTEL_BSP_SCHEDULE_DELAY", "600000"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")];
    let process = Process::zipkin(&backend.address.to_string(), &late);
    // Let the worker find an empty queue first, and wait.
    tokio::task::yield_now().await;
    process.spans(7);
    process.telemetry.flush(Duration::from_secs(10), &Drain::never()).await;
    assert_eq!(backend.spans().len(), 7);
}

#[tokio::test]
async fn every_exporter_receives_every_span_and_an_unresponsive_one_delays_no_other() {
    let backend = Backend::start(Behaviour::Accepts).await;
    let hung = Backend::start(Behaviour::Hangs).await;
    for (zipkin, otlp) in [(&backend, &backend), (&hung, &backend)] {
        let process = Process::start(&[
            ("OTEL_TRACES_EXPORTER", "zipkin,otlp".to_owned()),
            ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", format!("http://{}/api/v2/spans", zipkin.address)),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", otlp.address)),
            ("OTEL_BSP_SCHEDULE_DELAY", "10".to_owned()),
        ]);
        process.spans(3);
        let expected = if zipkin.address == otlp.address { 6 } else { 3 };
        until("all spans", || process.counted("exported") == expected).await;
    }
    let otlp: Vec<_> = backend.bodies().into_iter().filter(|(path, _)| path == "/v1/traces").collect();
    assert_eq!(otlp.len(), 2);
    let text = String::from_utf8_lossy(&otlp[0].1).into_owned();
    assert!(text.contains("service.name") && text.contains("service-x"), "{text}");
}

#[tokio::test]
async fn without_an_exporter_headers_pass_unchanged_and_no_span_is_made() {
    let process = Process::start(&[]);
    let mut headers = HeaderMap::new();
    headers.insert("x-b3-traceid", "463ac35c9f6413ad48485a3953bb6124".parse().expect("a value"));
    headers.insert("x-b3-spanid", "a2fb4a1d1a96d312".parse().expect("a value"));
    let extracted = process.tracer.extract(&headers);
    let span = process.tracer.start(&extracted, SpanKind::Server, "test");
    let mut out = headers.clone();
    span.inject(&mut out);
    assert_eq!(out, headers);
    assert_eq!(span.ids(), None);
    assert_eq!(extracted.ids().expect("ids for the log").trace, "463ac35c9f6413ad48485a3953bb6124");
    let text = process.metrics.text().expect("text");
    assert!(!text.contains("octet_trace_spans_total"));
}

fn otlp(backend: &Backend, more: &[(&str, &str)]) -> Process {
    let mut variables = vec![
        ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", backend.address)),
        ("OTEL_BSP_SCHEDULE_DELAY", "10".to_owned()),
    ];
    variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    Process::start(&variables)
}

#[tokio::test]
async fn an_otlp_resource_identifies_sdk_and_instance_and_configured_attributes_override_it() {
    let backend = Backend::start(Behaviour::Accepts).await;
    let attributes = [("OTEL_RESOURCE_ATTRIBUTES", "service%2Einstance.id=the-instance,zone=a")];
    for (more, instance) in [(&[][..], None), (&attributes, Some("the-instance"))] {
        let before = backend.bodies().len();
        let process = otlp(&backend, more);
        process.spans(1);
        until("the span", || backend.bodies().len() > before).await;
        let text = String::from_utf8_lossy(&backend.bodies()[before].1).into_owned();
        for name in
            ["telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version", "service.instance.id"]
        {
            assert_eq!(text.matches(name).count(), 1, "{name}: {text}");
        }
        assert_eq!(text.contains("the-instance"), instance.is_some(), "{text}");
    }
}

#[tokio::test]
async fn spans_that_an_otlp_backend_rejects_are_counted_as_rejected() {
    // partial_success { rejected_spans: 2, error_message: "no" }
    let backend = Backend::start(Behaviour::AcceptsWith(b"\x0a\x06\x08\x02\x12\x02no")).await;
    let process = otlp(&backend, &[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5")]);
    process.spans(5);
    until("the rejection", || process.counted("rejected") == 2).await;
    until("the rest", || process.counted("exported") == 3).await;
    assert_eq!(process.counted("dropped"), 0);
}

#[tokio::test]
async fn a_backends_retry_after_is_respected() {
    let backend = Backend::start(Behaviour::RetryAfter(2)).await;
    let process = otlp(&backend, &[]);
    process.spans(1);
    until("a first attempt", || backend.posts() == 1).await;
    let refused = Instant::now();
    backend.becomes(Behaviour::Accepts);
    until("the span", || process.counted("exported") == 1).await;
    // Without it, the second attempt comes within 200 ms.
    assert!(refused.elapsed() > Duration::from_millis(1_500), "{:?}", refused.elapsed());
}

#[tokio::test]
async fn a_grpc_status_that_may_be_temporary_is_retried_and_others_are_not() {
    let grpc = [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    let backend = Backend::start(Behaviour::Grpc(14)).await;
    let process = otlp(&backend, &grpc);
    process.spans(1);
    until("a first attempt", || backend.posts() == 1).await;
    backend.becomes(Behaviour::Grpc(0));
    until("the span", || process.counted("exported") == 1).await;
    let (path, body) = backend.bodies().remove(0);
    assert_eq!(path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    let length = u32::try_from(body.len() - 5).expect("short").to_be_bytes();
    assert_eq!((body[0], &body[1..5]), (0, &length[..]));

    let backend = Backend::start(Behaviour::Grpc(3)).await;
    let process = otlp(&backend, &grpc);
    process.spans(1);
    until("the refusal", || process.counted("dropped") == 1).await;
    assert_eq!(backend.posts(), 1);
}

#[tokio::test]
async fn a_response_without_a_grpc_status_is_a_failure() {
    let backend = Backend::start(Behaviour::AcceptsWith(b"\0\0\0\0\0")).await;
    let process =
        otlp(&backend, &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_BSP_EXPORT_TIMEOUT", "500")]);
    process.spans(1);
    until("the failure", || process.counted("dropped") == 1).await;
    assert_eq!(process.counted("exported"), 0);
}
