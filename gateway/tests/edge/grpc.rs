//! gRPC and gRPC-Web through the gateway's port.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use flate2::{Compression, write::GzEncoder};
use futures_util::StreamExt;
use http::Request as HttpRequest;
use http_body_util::Full;
use octet_gateway::transcode::DynamicCodec;
use octet_proto::grpc::health::v1::{
    HealthCheckRequest, HealthListRequest, HealthListResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};
use prost_reflect::{DynamicMessage, ReflectMessage, Value, prost::Message};
use tonic::{
    Code, Request, Status, Streaming,
    client::Grpc,
    codec::CompressionEncoding,
    transport::{Channel, Endpoint},
};

use crate::{
    client::{HttpVersion, PATIENCE, Reply, send},
    gateway::Gateway,
    library::pool,
};

fn request(shelf: &str) -> DynamicMessage {
    let mut message = DynamicMessage::new(pool().get_message_by_name("library.v1.ShelfRequest").unwrap());
    message.set_field_by_name("shelf", Value::String(shelf.to_owned()));
    message
}

fn name(message: &DynamicMessage) -> String {
    message.get_field_by_name("name").unwrap().as_str().unwrap().to_owned()
}

pub fn channel(gateway: &Gateway) -> Channel {
    Endpoint::from_shared(gateway.url("")).unwrap().connect_lazy()
}

async fn stream(
    gateway: &Gateway,
    method: &str,
    requests: Vec<DynamicMessage>,
    metadata: &[(&'static str, &str)],
) -> Result<tonic::Response<Streaming<DynamicMessage>>, Status> {
    let mut client = Grpc::new(channel(gateway));
    client.ready().await.expect("connects");
    let requests = requests.into_iter().map(|message| Bytes::from(message.encode_to_vec()));
    let mut request = Request::new(futures_util::stream::iter(requests));
    for (name, value) in metadata {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    let path = format!("/library.v1.Library/{method}").parse().unwrap();
    let codec = DynamicCodec::new(pool().get_message_by_name("library.v1.Shelf").unwrap());
    tokio::time::timeout(PATIENCE, client.streaming(request, path, codec)).await.expect("in time")
}

#[tokio::test]
async fn a_unary_call_passes_with_its_metadata_and_trailers() {
    let gateway = Gateway::start().await;
    let metadata = [
        ("x-b3-traceid", "463ac35c9f6413ad48485a3953bb6124"),
        ("authorization", "Bearer t"),
        ("x-other", "1"),
    ];
    let response = stream(&gateway, "GetShelf", vec![request("one")], &metadata).await.expect("answered");
    assert_eq!(response.metadata().get("x-answered-by").unwrap(), "library");
    let mut answers = response.into_inner();
    assert_eq!(name(&answers.message().await.unwrap().unwrap()), "one");
    assert!(answers.message().await.unwrap().is_none());
    assert_eq!(answers.trailers().await.unwrap().unwrap().get("x-checksum").unwrap(), "42");

    let seen = gateway.library.last();
    assert_eq!(seen["x-b3-traceid"], "463ac35c9f6413ad48485a3953bb6124");
    assert_eq!(seen["authorization"], "Bearer t");
    assert!(seen.contains_key("x-request-id") && !seen.contains_key("x-other"), "{seen:?}");
}

#[tokio::test]
async fn a_status_passes_with_its_metadata_and_message() {
    let gateway = Gateway::start().await;
    let status = stream(&gateway, "GetShelf", vec![request("fail-9")], &[]).await.expect_err("asked for");
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "asked for 9"));
    assert_eq!(status.metadata().get("x-why").unwrap(), "asked");
}

#[tokio::test]
async fn a_deadline_is_enforced_and_a_malformed_one_refused() {
    let gateway = Gateway::start().await;
    let start = Instant::now();
    assert_eq!(status_of(&gateway, "slow", "100m").await, Code::DeadlineExceeded);
    assert!(start.elapsed() < Duration::from_secs(4));
    assert_eq!(status_of(&gateway, "one", "5s").await, Code::InvalidArgument);
    assert_eq!(status_of(&gateway, "one", "5S").await, Code::Ok);
}

/// Not through a gRPC client, which would enforce the deadline itself.
async fn status_of(gateway: &Gateway, shelf: &str, timeout: &str) -> Code {
    let request = HttpRequest::post(gateway.url("/library.v1.Library/GetShelf"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", timeout);
    let body = Full::new(framed(&self::request(shelf)));
    let reply = send(HttpVersion::Http2, request.body(body).unwrap()).await;
    let status = reply.headers.get("grpc-status").or_else(|| reply.trailers.get("grpc-status"));
    Code::from_bytes(status.expect("a status").as_bytes())
}

#[tokio::test]
async fn metadata_over_the_limit_is_resource_exhausted() {
    let gateway = Gateway::start().await;
    let large = [("baggage", &*"x".repeat(16_000))];
    let status = stream(&gateway, "GetShelf", vec![request("one")], &large).await.expect_err("too large");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().ends_with("exceeds the limit of 15360 bytes"), "{}", status.message());
    assert_eq!(gateway.library.calls(), 0, "a service was called");
}

#[tokio::test]
async fn a_request_message_over_the_limit_is_resource_exhausted_and_a_response_message_internal() {
    let gateway = Gateway::start().await;
    let large = request(&"x".repeat(5 << 20));
    let status = stream(&gateway, "GetShelf", vec![large], &[]).await.expect_err("too large");
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(status.message(), "message of 5242885 bytes exceeds the limit of 4194304 bytes");
    assert_eq!(gateway.library.calls(), 0, "a service was called");

    let mut answers = stream(&gateway, "GetShelf", vec![request("large")], &[]).await.unwrap().into_inner();
    assert_eq!(answers.message().await.expect_err("too large").code(), Code::Internal);
}

#[tokio::test]
async fn server_and_bidirectional_streams_pass() {
    let gateway = Gateway::start().await;
    let answers = stream(&gateway, "Watch", vec![request("3-fail")], &[]).await.unwrap().into_inner();
    let answers: Vec<_> = answers.collect().await;
    let names: Vec<_> = answers.iter().flatten().map(name).collect();
    assert_eq!(names, ["0", "1", "2"]);
    assert_eq!(answers.last().unwrap().as_ref().unwrap_err().code(), Code::NotFound);

    let requests = ["a", "b", "c"].map(request).to_vec();
    let answers = stream(&gateway, "Chat", requests, &[]).await.unwrap().into_inner();
    let names: Vec<_> = answers.map(|answer| name(&answer.unwrap())).collect().await;
    assert_eq!(names, ["a", "b", "c"]);
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    let gateway = Gateway::start().await;
    let status = stream(&gateway, "Nothing", vec![request("one")], &[]).await.expect_err("nothing");
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(gateway.library.calls(), 0, "a service was called");
}

#[tokio::test]
async fn the_gateway_reports_its_own_health_for_each_service() {
    let gateway = Gateway::start().await;
    let mut health = HealthClient::new(channel(&gateway));
    for service in ["", "library.v1.Library"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let status = health.check(request).await.expect("known").into_inner().status();
        assert_eq!(status.as_str_name(), "SERVING", "{service}");
    }
    let unknown = health.check(HealthCheckRequest { service: "x".to_owned() }).await.expect_err("unknown");
    assert_eq!(unknown.code(), Code::NotFound);
    assert_eq!(gateway.library.calls(), 0, "a service was called");
}

#[tokio::test]
async fn the_gateway_lists_its_health_over_grpc_and_grpc_web() {
    let gateway = Gateway::start().await;
    let listed = HealthClient::new(channel(&gateway)).list(HealthListRequest {}).await.expect("listed");
    let listed = listed.into_inner().statuses;
    let status = |name: &str| listed.get(name).expect("listed").status();
    assert_eq!([status(""), status("library.v1.Library")], [ServingStatus::Serving; 2], "{listed:?}");

    let request = HttpRequest::post(gateway.url("/grpc.health.v1.Health/List"))
        .header("content-type", "application/grpc-web+proto");
    let body = Full::new(Bytes::from_static(&[0; 5]));
    let reply = send(HttpVersion::Http1, request.body(body).unwrap()).await;
    let (messages, trailers) = unframed(reply.body);
    assert!(trailers.contains("grpc-status:0"), "{trailers}");
    let statuses = HealthListResponse::decode(messages[0].clone()).unwrap().statuses;
    assert_eq!(statuses, listed);
}

#[tokio::test]
async fn a_health_watch_of_an_unknown_name_reports_that_and_stays_open() {
    let gateway = Gateway::start().await;
    let request = HealthCheckRequest { service: "x".to_owned() };
    let watch = HealthClient::new(channel(&gateway)).watch(request).await.expect("watched");
    let mut watch = watch.into_inner();
    let first = watch.message().await.expect("a status").expect("a status");
    assert_eq!(first.status(), ServingStatus::ServiceUnknown);
    tokio::time::timeout(Duration::from_millis(300), watch.message()).await.expect_err("it stays open");
}

#[tokio::test]
async fn a_health_watch_ends_at_its_deadline() {
    let gateway = Gateway::with(&[("REQUEST_TIMEOUT", "300ms")]).await;
    let mut health = HealthClient::new(channel(&gateway));
    let watched = health.watch(HealthCheckRequest::default()).await.expect("watched").into_inner();
    let last = tokio::time::timeout(PATIENCE, watched.collect::<Vec<_>>()).await.expect("it ends");
    assert_eq!(last.last().unwrap().as_ref().unwrap_err().code(), Code::DeadlineExceeded);
}

/// A length-prefixed message.
fn framed(message: &DynamicMessage) -> Bytes {
    let encoded = message.encode_to_vec();
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(encoded.len()).unwrap());
    framed.put_slice(&encoded);
    framed.freeze()
}

async fn web(gateway: &Gateway, version: HttpVersion, content_type: &str, body: Bytes) -> Reply {
    let request = HttpRequest::post(gateway.url("/library.v1.Library/GetShelf"))
        .header("content-type", content_type)
        .header("accept", content_type)
        .header("x-grpc-web", "1");
    send(version, request.body(Full::new(body)).unwrap()).await
}

/// The messages of a gRPC-Web response, and its trailers as text.
fn unframed(mut body: Bytes) -> (Vec<Bytes>, String) {
    let mut messages = Vec::new();
    loop {
        let flags = body.get_u8();
        let length = body.get_u32() as usize;
        let payload = body.split_to(length);
        if flags & 0x80 != 0 {
            return (messages, String::from_utf8(payload.to_vec()).unwrap());
        }
        messages.push(payload);
    }
}

#[tokio::test]
async fn grpc_web_works_in_both_forms_over_http1_and_http2() {
    let gateway = Gateway::start().await;
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        for form in [
            "application/grpc-web+proto",
            "application/grpc-web-text",
            "application/grpc-web-text; charset=utf-8",
            "Application/Grpc-Web",
        ] {
            let is_text = form.contains("text");
            let body = framed(&request("one"));
            let body = if is_text { STANDARD.encode(body).into() } else { body };
            let reply = web(&gateway, version, form, body).await;
            assert_eq!(reply.status, 200, "{version:?} {form}");
            assert!(reply.header("content-type").starts_with("application/grpc-web"), "{:?}", reply.headers);
            let answer = if is_text { decoded_pieces(&reply.body) } else { reply.body.clone() };
            let (messages, trailers) = unframed(answer);
            let shelf = pool().get_message_by_name("library.v1.Shelf").unwrap();
            let shelf = DynamicMessage::decode(shelf, messages[0].clone()).unwrap();
            assert_eq!((name(&shelf).as_str(), shelf.descriptor().name()), ("one", "Shelf"));
            assert!(trailers.contains("grpc-status:0") && trailers.contains("x-checksum:42"), "{trailers}");
        }
    }
}

#[tokio::test]
async fn compressed_messages_are_accepted_and_answered_compressed() {
    let gateway = Gateway::start().await;
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Deflate] {
        let mut client = Grpc::new(channel(&gateway)).send_compressed(encoding).accept_compressed(encoding);
        client.ready().await.expect("connects");
        let path = "/library.v1.Library/GetShelf".parse().unwrap();
        let codec = DynamicCodec::new(pool().get_message_by_name("library.v1.Shelf").unwrap());
        let requests =
            Request::new(futures_util::stream::iter([request(&"x".repeat(100_000)).encode_to_vec().into()]));
        let response = client.streaming(requests, path, codec).await.expect("answered");
        assert_eq!(response.metadata().get("grpc-encoding").unwrap(), &encoding.to_string());
        let shelf = response.into_inner().message().await.unwrap().unwrap();
        assert_eq!(name(&shelf).len(), 100_000, "{encoding}");
        assert!(!gateway.library.last().contains_key("grpc-encoding"));

        let mut health = HealthClient::new(channel(&gateway)).send_compressed(encoding);
        health.check(HealthCheckRequest::default()).await.expect("health is compressed too");
    }
    // A client that only accepts compression gets none: messages here are small.
    let plain = stream(&gateway, "GetShelf", vec![request("one")], &[("grpc-accept-encoding", "gzip")]).await;
    assert!(!plain.expect("answered").metadata().contains_key("grpc-encoding"));
}

#[tokio::test]
async fn the_size_limit_holds_for_the_decompressed_message() {
    let gateway = Gateway::start().await;
    let before = crate::hostile::resident();
    let mut client = Grpc::new(channel(&gateway)).send_compressed(CompressionEncoding::Gzip);
    client.ready().await.expect("connects");
    let path = "/library.v1.Library/GetShelf".parse().unwrap();
    let codec = DynamicCodec::new(pool().get_message_by_name("library.v1.Shelf").unwrap());
    let requests =
        Request::new(futures_util::stream::iter([request(&"x".repeat(5 << 20)).encode_to_vec().into()]));
    let status = client.streaming(requests, path, codec).await.expect_err("too large");
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(gateway.library.calls(), 0, "a service was called");
    assert!(crate::hostile::resident().saturating_sub(before) < 64 << 20);
}

#[tokio::test]
async fn a_decompression_bomb_is_resource_exhausted_and_takes_no_memory() {
    let gateway = Gateway::start().await;
    // 256 MiB in 256 KiB.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let mebibyte = vec![0; 1 << 20];
    for _ in 0..256 {
        encoder.write_all(&mebibyte).expect("compressed");
    }
    let compressed = encoder.finish().expect("compressed");
    assert!(compressed.len() < 300_000);
    let length = u32::try_from(compressed.len()).unwrap().to_be_bytes();
    let bomb = Bytes::from([&[1][..], &length, &compressed].concat());
    let before = crate::hostile::resident();
    // Health and reflection have lower limits, which tonic checks before it decompresses.
    for (path, code) in [
        ("/library.v1.Library/GetShelf", Code::ResourceExhausted),
        ("/grpc.health.v1.Health/Check", Code::OutOfRange),
    ] {
        for _ in 0..10 {
            let request = HttpRequest::post(gateway.url(path))
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .header("grpc-encoding", "gzip");
            let reply = send(HttpVersion::Http2, request.body(Full::new(bomb.clone())).unwrap()).await;
            let status = reply.headers.get("grpc-status").or_else(|| reply.trailers.get("grpc-status"));
            assert_eq!(Code::from_bytes(status.expect("a status").as_bytes()), code, "{path}");
        }
    }
    assert_eq!(gateway.library.calls(), 0, "a service was called");
    assert!(crate::hostile::resident().saturating_sub(before) < 64 << 20);
}

#[tokio::test]
async fn large_requests_in_flight_are_bounded_in_bytes() {
    let gateway = Gateway::start().await;
    let merge = pool().get_message_by_name("library.v1.MergeRequest").unwrap();
    let mut message = DynamicMessage::new(merge);
    message.set_field_by_name("name", Value::String("slow".to_owned()));
    // 3 MiB in 3 KiB; the budget is 32 MiB.
    message.set_field_by_name("other", Value::String("x".repeat(3 << 20)));
    let encoded = Bytes::from(message.encode_to_vec());
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mut client = Grpc::new(channel(&gateway)).send_compressed(CompressionEncoding::Gzip);
        let messages = futures_util::stream::iter([encoded.clone()]);
        calls.spawn(async move {
            client.ready().await.expect("connects");
            let mut request = Request::new(messages);
            request.metadata_mut().insert("grpc-timeout", "1H".parse().unwrap());
            let codec = DynamicCodec::new(pool().get_message_by_name("library.v1.Shelf").unwrap());
            let path = "/library.v1.Library/MergeShelves".parse().unwrap();
            let answer = client.streaming(request, path, codec).await;
            answer.map(|_| ()).expect_err("too many")
        });
    }
    for _ in 0..10 {
        let refused = calls.join_next().await.expect("twenty").expect("a status");
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        assert!(refused.message().contains("too many large requests"), "{refused:?}");
    }
    assert_eq!(crate::client::get(&gateway, "/v1/shelves/one").await.status, 200, "small ones are served");
}

#[tokio::test]
async fn grpc_web_text_may_come_in_padded_segments_cut_anywhere() {
    let gateway = Gateway::start().await;
    let message = framed(&request("one"));
    // The prefix and the message are encoded separately, as are two halves of it.
    for cut in [1, 5, 7] {
        let (first, second) = message.split_at(cut);
        let text = format!("{}{}", STANDARD.encode(first), STANDARD.encode(second));
        for size in 1..=6 {
            let chunk = |chunk: &[u8]| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
            let chunks: Vec<u8> = text.as_bytes().chunks(size).flat_map(chunk).collect();
            let chunks = String::from_utf8(chunks).unwrap();
            let request = format!(
                "POST /library.v1.Library/GetShelf HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                 content-type: application/grpc-web-text\r\naccept: application/grpc-web+proto\r\n\
                 transfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
            );
            let reply = crate::client::raw(&gateway, request.as_bytes()).await;
            assert!(reply.contains("grpc-status:0") && reply.contains("one"), "{cut} {size}: {reply}");
        }
    }
}

#[tokio::test]
async fn a_traced_call_names_its_trace_in_the_response() {
    let gateway = Gateway::with(&[
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://127.0.0.1:1/api/v2/spans"),
    ])
    .await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let named = |value: &str| {
        let expected = format!("00-{trace}-");
        value.starts_with(&expected) && value.ends_with("-01") && !value.contains("b7ad6b7169203331")
    };
    let response = stream(&gateway, "GetShelf", vec![request("one")], &[("traceparent", &parent)]).await;
    let value = response.expect("answered").metadata().get("traceresponse").expect("it is there").clone();
    assert!(named(value.to_str().unwrap()), "{value:?}");
    let headers = [("traceparent", &*parent)];
    let reply = crate::client::ask(&gateway, "GET", "/v1/shelves/one", &headers, "").await;
    assert!(named(reply.header("traceresponse")), "{:?}", reply.headers);
}

/// Each frame may be encoded separately, with padding in the middle.
fn decoded_pieces(text: &[u8]) -> Bytes {
    let pieces = text.chunks(4).flat_map(|four| STANDARD.decode(four).expect("base64"));
    pieces.collect()
}

#[tokio::test]
async fn plain_grpc_over_http1_is_refused_with_an_explanation() {
    let gateway = Gateway::start().await;
    let reply = web(&gateway, HttpVersion::Http1, "application/grpc", framed(&request("one"))).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("gRPC requires HTTP/2"), "{}", reply.text());
}

#[tokio::test]
async fn head_has_no_body_with_any_content_type() {
    let gateway = Gateway::start().await;
    for path in ["/library.v1.Library/GetShelf", "/v1/shelves/one"] {
        let request = HttpRequest::head(gateway.url(path)).header("content-type", "application/grpc");
        let reply = send(HttpVersion::Http2, request.body(Full::default()).unwrap()).await;
        assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, "POST"), "{path}");
        assert!(
            reply.body.is_empty() && reply.header("content-length") != "0",
            "{path}: {:?}",
            reply.headers
        );
    }
}

#[tokio::test]
async fn invalid_frames_are_refused_with_a_status() {
    let gateway = Gateway::start().await;
    for body in [&b"\x00\xff\xff\xff\xff"[..], b"\x07\x00\x00\x00\x00", b"\x00\x00\x00\x00\x05ab", b""] {
        let reply =
            web(&gateway, HttpVersion::Http1, "application/grpc-web+proto", Bytes::from_static(body)).await;
        let context = format!("{body:?}: {:?} {}", reply.headers, reply.text());
        let status = reply.headers.get("grpc-status").map(|status| status.to_str().unwrap().to_owned());
        let status = status.unwrap_or_else(|| unframed(reply.body.clone()).1);
        assert!(reply.status == 200 && !status.is_empty() && status != "0", "{context}");
    }
    assert_eq!(gateway.library.calls(), 0);
}
