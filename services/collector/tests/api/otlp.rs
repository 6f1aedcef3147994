//! Reports in OTLP: over HTTP in both encodings, and over gRPC.

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use hyper::{HeaderMap, Request};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{AnyValue, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status},
};
use prost::Message as _;
use serde_json::json;

use crate::peer::{Peer, Reply, gzip};

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn of_service(service: &str, spans: Vec<Span>) -> ResourceSpans {
    ResourceSpans {
        resource: Some(Resource { attributes: vec![text("service.name", service)], ..Resource::default() }),
        scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }
}

fn span(trace: u8, id: u8, kind: i32) -> Span {
    Span {
        trace_id: vec![trace; 16],
        span_id: vec![id; 8],
        kind,
        name: "GET".to_owned(),
        start_time_unix_nano: 1_000_000_000_000,
        end_time_unix_nano: 1_000_005_000_000,
        ..Span::default()
    }
}

/// A call from a to b that failed in b.
fn call(trace: u8) -> ExportTraceServiceRequest {
    let server = Span {
        parent_span_id: vec![1; 8],
        status: Some(Status { message: "boom".to_owned(), code: 2 }),
        ..span(trace, 2, 2)
    };
    ExportTraceServiceRequest {
        resource_spans: vec![of_service("a", vec![span(trace, 1, 3)]), of_service("b", vec![server])],
    }
}

async fn post(peer: &Peer, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
    let mut request = Request::post(format!("http://{}/v1/traces", peer.otlp_http));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    peer.send(request.body(body.into()).expect("a request")).await
}

/// The status, the message and the encodings that a gRPC call is answered with.
async fn call_grpc(
    address: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> (String, Bytes, HeaderMap) {
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let method = "opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let mut request = Request::post(format!("http://{address}/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let reply = client.request(request.body(body.into()).expect("a request")).await.expect("an answer");
    assert_eq!(
        (reply.status().as_u16(), &reply.headers()["content-type"]),
        (200, &"application/grpc".parse().expect("a value"))
    );
    let mut headers = reply.headers().clone();
    let body = reply.into_body().collect().await.expect("a whole body");
    headers.extend(body.trailers().cloned().unwrap_or_default());
    let status = headers["grpc-status"].to_str().expect("text").to_owned();
    (status, body.to_bytes(), headers)
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("short").to_be_bytes();
    [&[flag][..], &length, message].concat()
}

/// What is stored of the trace of [`call`], and what is counted.
async fn assert_found(peer: &Peer, trace: u8) {
    let id = format!("{trace:02x}").repeat(16);
    let spans = peer.json(&format!("/api/v2/trace/{id}")).await;
    assert_eq!(spans.as_array().expect("spans").len(), 2);
    assert_eq!(
        spans[1],
        json!({"traceId": id, "parentId": "01".repeat(8), "id": "02".repeat(8), "kind": "SERVER", "name": "get",
               "timestamp": 1_000_000_000, "duration": 5_000, "localEndpoint": {"serviceName": "b"},
               "tags": {"error": "boom", "otel.status_code": "ERROR"}})
    );
    let query =
        "serviceName=b&annotationQuery=error%3Dboom&endTs=1000100&lookback=10000&minDuration=4000&limit=500";
    let found = peer.json(&format!("/api/v2/traces?{query}")).await;
    assert!(found.as_array().expect("traces").iter().any(|trace| trace[0]["traceId"] == id), "{found}");
}

#[tokio::test]
async fn each_way_of_otlp_is_stored_searched_and_counted() {
    let peer = Peer::start().await;
    let json = |trace| serde_json::to_vec(&call(trace)).expect("JSON");
    let proto = |trace| call(trace).encode_to_vec();
    for (headers, body, trace) in [
        (&[PROTOBUF][..], proto(1), 1),
        (&[PROTOBUF, GZIP], gzip(&proto(2)), 2),
        (&[JSON], json(3), 3),
        (&[JSON, GZIP], gzip(&json(4)), 4),
    ] {
        let reply = post(&peer, headers, body).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.headers["content-type"]),
            (200, &headers[0].1.parse().unwrap())
        );
        assert_eq!(reply.text(), if headers[0] == JSON { "{}" } else { "" });
        assert_found(&peer, trace).await;
    }
    let encoding = ("grpc-encoding", "gzip");
    for (headers, body, trace, address) in [
        (&[][..], framed(0, &proto(5)), 5, &peer.otlp_grpc),
        (&[encoding], framed(1, &gzip(&proto(6))), 6, &peer.otlp_grpc),
        (&[encoding], framed(0, &proto(7)), 7, &peer.otlp_grpc),
        // Clients confuse the ports.
        (&[], framed(0, &proto(8)), 8, &peer.otlp_http),
    ] {
        let (status, body, _) = call_grpc(address, headers, body).await;
        assert_eq!((status.as_str(), &body[..]), ("0", &framed(0, &[])[..]));
        assert_found(&peer, trace).await;
    }
    let mesh = peer.json("/api/v2/mesh?lookback=60000").await;
    let edge = &mesh["edges"][0];
    assert_eq!(
        (&edge["caller"], &edge["callee"], &edge["count"], &edge["errors"]),
        (&json!("a"), &json!("b"), &json!(8), &json!(8)),
        "{mesh}"
    );
    let links = peer.json("/api/v2/dependencies?endTs=1000100&lookback=10000").await;
    assert_eq!(links, json!([{"parent": "a", "child": "b", "callCount": 8, "errorCount": 8}]));
    peer.stop().await;
}

#[tokio::test]
async fn rejected_spans_are_a_partial_success() {
    let peer = Peer::start().await;
    let mut request = call(1);
    request.resource_spans[0].scope_spans[0].spans.push(Span { trace_id: vec![], ..span(1, 3, 1) });
    let reply = post(&peer, &[JSON], serde_json::to_vec(&request).expect("JSON")).await;
    let partial = &reply.json()["partialSuccess"];
    assert_eq!((reply.status.as_u16(), &partial["rejectedSpans"]), (200, &json!("1")));
    let message = partial["errorMessage"].as_str().expect("a message");
    assert!(
        message.starts_with("span 1 at byte ") && message.ends_with("traceId: missing, or all zero"),
        "{message}"
    );

    let reply = post(&peer, &[PROTOBUF], request.encode_to_vec()).await;
    let partial = ExportTraceServiceResponse::decode(reply.bytes()).expect("protobuf").partial_success;
    assert_eq!((reply.status.as_u16(), partial.expect("partial").rejected_spans), (200, 1));

    let (status, body, _) = call_grpc(&peer.otlp_grpc, &[], framed(0, &request.encode_to_vec())).await;
    let partial = ExportTraceServiceResponse::decode(&body[5..]).expect("protobuf").partial_success;
    assert_eq!((status.as_str(), partial.expect("partial").rejected_spans), ("0", 1));
    assert_found(&peer, 1).await;
    assert_eq!(peer.metric(r#"octet_collector_spans_total{result="malformed"}"#).await, 3);
    peer.stop().await;
}

#[tokio::test]
async fn spans_beyond_the_share_of_one_trace_are_rejected() {
    let peer = Peer::with(&[("COLLECTOR_MEMORY", "1MiB")]).await;
    let spans = (0..3_000_u64).map(|id| Span { span_id: (id + 1).to_be_bytes().to_vec(), ..span(1, 1, 1) });
    let request = ExportTraceServiceRequest { resource_spans: vec![of_service("a", spans.collect())] };
    let reply = post(&peer, &[PROTOBUF], request.encode_to_vec()).await;
    let partial = ExportTraceServiceResponse::decode(reply.bytes()).expect("protobuf").partial_success;
    let rejected = partial.expect("partial").rejected_spans;
    assert!((1..3_000).contains(&rejected), "{rejected}");
    let dropped = peer.metric(r#"octet_collector_spans_total{result="dropped"}"#).await;
    assert_eq!(dropped, u64::try_from(rejected).expect("a count"));
    peer.stop().await;
}

#[tokio::test]
async fn an_invalid_request_over_http_is_refused_in_its_encoding() {
    let peer = Peer::start().await;
    let zeros = gzip(&vec![0; 64 * 1024 * 1024]);
    for (headers, body, status) in [
        (&[PROTOBUF][..], Bytes::from_static(&[1, 2, 3]), 400),
        (&[JSON], "[]".into(), 400),
        (&[JSON], r#"{"resourceSpans":{}}"#.into(), 400),
        (&[PROTOBUF, GZIP], "no gzip".into(), 400),
        (&[PROTOBUF, ("content-encoding", "br")], Bytes::new(), 415),
        (&[], Bytes::new(), 415),
        (&[("content-type", "text/plain")], Bytes::new(), 415),
        (&[("content-type", "application/grpc")], Bytes::new(), 415),
        (&[PROTOBUF], vec![0; 10 * 1024 * 1024 + 1].into(), 413),
        (&[PROTOBUF, GZIP], zeros.clone().into(), 413),
        (&[JSON, GZIP], zeros.into(), 413),
        (&[PROTOBUF, ("origin", "http://attacker.example")], Bytes::new(), 403),
        (&[JSON, ("origin", "null")], "{}".into(), 403),
        // Any host, as with Envoy's, and an empty report.
        (&[PROTOBUF, ("host", "opentelemetry_collector")], Bytes::new(), 200),
        (&[("content-type", "application/JSON; charset=utf-8")], "{}".into(), 200),
    ] {
        let length = body.len();
        let reply = post(&peer, headers, body).await;
        assert_eq!(reply.status, status, "{headers:?} {length}: {}", String::from_utf8_lossy(reply.bytes()));
        if [400, 413].contains(&status) {
            let code = if status == 400 { 3 } else { 8 };
            let found = match headers[0] {
                JSON => reply.json()["code"].as_i64().expect("a code"),
                // `google.rpc.Status` starts with its code.
                _ => i64::from(reply.bytes()[1]),
            };
            assert_eq!((found, &reply.headers["content-type"]), (code, &headers[0].1.parse().unwrap()));
        }
    }
    for (path, status) in
        [("/v1/metrics", 404), ("/v1/logs", 404), ("/api/v2/spans", 404), ("/api/v2/services", 404)]
    {
        let request =
            Request::post(format!("http://{}{path}", peer.otlp_http)).header(PROTOBUF.0, PROTOBUF.1);
        assert_eq!(peer.send(request.body(Body::empty()).expect("a request")).await.status, status, "{path}");
    }
    peer.stop().await;
}

#[tokio::test]
async fn other_signals_are_refused_with_a_sentence_that_says_so() {
    let peer = Peer::start().await;
    for address in [&peer.otlp_http, &peer.otlp_grpc] {
        let post = async |path: &str, content_type: &str| {
            let request =
                Request::post(format!("http://{address}{path}")).header("content-type", content_type);
            peer.send(request.body(Body::empty()).expect("a request")).await
        };
        for path in ["/v1/metrics", "/v1/logs", "/v1development/profiles"] {
            let reply = post(path, PROTOBUF.1).await;
            let text = String::from_utf8_lossy(reply.bytes()).into_owned();
            assert_eq!(reply.status, 404, "{path}: {text}");
            assert!(text.contains("this collector takes traces only"), "{path}: {text}");
        }
        for service in ["metrics.v1.MetricsService", "logs.v1.LogsService"] {
            let path = format!("/opentelemetry.proto.collector.{service}/Export");
            let reply = post(&path, "application/grpc").await;
            assert_eq!((reply.status.as_u16(), &reply.headers["grpc-status"]), (200, &"12".parse().unwrap()));
            let message = reply.headers["grpc-message"].to_str().expect("text");
            assert!(message.starts_with("this%20collector%20takes%20traces%20only"), "{message}");
        }
    }
    peer.stop().await;
}

#[tokio::test]
async fn an_invalid_grpc_request_is_refused_with_its_status() {
    let peer = Peer::start().await;
    let gzip_encoding = ("grpc-encoding", "gzip");
    let bomb = framed(1, &gzip(&vec![0; 64 * 1024 * 1024]));
    for (headers, body, status) in [
        (&[][..], vec![], "3"),
        (&[], vec![0; 4], "3"),
        (&[], framed(0, &[1, 2, 3]), "3"),
        (&[], [framed(0, &[]), framed(0, &[])].concat(), "3"),
        (&[], vec![0, 0, 0, 0, 9, 1], "3"),
        (&[], framed(2, &[]), "3"),
        (&[], framed(1, &gzip(&[])), "3"),
        (&[gzip_encoding], framed(1, b"no gzip"), "3"),
        (&[gzip_encoding], bomb, "8"),
        (&[], framed(0, &vec![0; 10 * 1024 * 1024 + 1]), "8"),
        (&[("grpc-encoding", "zstd")], framed(1, &[]), "12"),
    ] {
        let length = body.len();
        let (found, _, headers) = call_grpc(&peer.otlp_grpc, headers, body).await;
        assert_eq!(found, status, "{length} bytes: {headers:?}");
        assert_eq!(headers.contains_key("grpc-accept-encoding"), status == "12", "{headers:?}");
    }
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let metrics = "opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    let request = Request::post(format!("http://{}/{metrics}", peer.otlp_grpc))
        .header("content-type", "application/grpc");
    let reply = client
        .request(request.body(Body::from(framed(0, &[]))).expect("a request"))
        .await
        .expect("an answer");
    assert_eq!(reply.headers()["grpc-status"], "12");
    peer.stop().await;
}

#[tokio::test]
async fn spans_that_a_reporter_dropped_are_counted() {
    let peer = Peer::start().await;
    post(&peer, &[PROTOBUF, ("octet-dropped-spans", "7")], Bytes::new()).await;
    call_grpc(&peer.otlp_grpc, &[("octet-dropped-spans", "4")], framed(0, &[])).await;
    assert_eq!(peer.json("/api/v2/mesh?lookback=60000").await["droppedSpans"], 11);
    peer.stop().await;
}

#[tokio::test]
async fn responses_that_nobody_reads_do_not_keep_others_from_reporting() {
    // On each connection; many times what the collector works on at once.
    const UNREAD: usize = 900;
    let peer = Peer::start().await;
    let mut held = Vec::new();
    let grpc = "opentelemetry.proto.collector.trace.v1.TraceService/Export";
    for (address, path, kind, body) in [
        (&peer.otlp_http, "v1/traces", JSON.1, b"{}".to_vec()),
        (&peer.otlp_grpc, grpc, "application/grpc", framed(0, &[])),
        (&peer.otlp_http, grpc, "application/grpc", framed(0, &[])),
    ] {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .http2_only(true)
            .http2_initial_stream_window_size(0)
            .build(connector);
        // One after the other: what exceeds the work of a moment is refused.
        for _ in 0..UNREAD {
            let request = Request::post(format!("http://{address}/{path}")).header("content-type", kind);
            let request = request.body(Body::from(body.clone())).expect("a request");
            let response = client.request(request).await.expect("a response");
            assert_eq!(response.status(), 200);
            held.push(response);
        }
    }

    assert_eq!(post(&peer, &[PROTOBUF], call(1).encode_to_vec()).await.status.as_u16(), 200);
    assert_found(&peer, 1).await;
    let (status, ..) = call_grpc(&peer.otlp_grpc, &[], framed(0, &call(2).encode_to_vec())).await;
    assert_eq!(status, "0");
    assert_found(&peer, 2).await;
    drop(held);
    peer.stop().await;
}
