//! The compression and the size of messages.

use std::io::Write as _;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use octet_proto::greeting::v3::{Greeting, GreetingRequest, greeting_service_client::GreetingServiceClient};
use tokio::task::JoinSet;
use tonic::{Code, codec::CompressionEncoding};

use crate::service::Service;

/// The limit of a request.
const LIMIT: usize = 64 * 1024;

fn request(length: usize) -> GreetingRequest {
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8".to_owned();
    GreetingRequest { greeting: Some(Greeting { id, message: "x".repeat(length), ..Greeting::default() }) }
}

#[tokio::test]
async fn compressed_requests_are_accepted_and_answered_compressed() {
    let service = Service::start("service-c").await;
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Deflate] {
        let client = GreetingServiceClient::new(service.channel().await).send_compressed(encoding);
        let answered = client.clone().accept_compressed(encoding).greeting(request(50_000)).await;
        let answered = answered.expect("greeted");
        assert_eq!(answered.metadata().get("grpc-encoding").unwrap(), &encoding.to_string());
        assert_eq!(answered.into_inner().greeting[0].service, "service-c");

        let answered = client.clone().greeting(request(50_000)).await.expect("greeted");
        assert!(!answered.metadata().contains_key("grpc-encoding"), "the client does not accept it");
    }
    // Most clients accept compressed messages without sending any.
    let client = GreetingServiceClient::new(service.channel().await);
    let answered = client.accept_compressed(CompressionEncoding::Gzip).greeting(request(50_000)).await;
    assert!(!answered.expect("greeted").metadata().contains_key("grpc-encoding"));
    service.stop().await;
}

#[tokio::test]
async fn an_encoding_that_is_not_supported_is_unimplemented_and_the_supported_ones_are_named() {
    let service = Service::start("service-c").await;
    let mut request = tonic::Request::new(request(1));
    request.metadata_mut().insert("grpc-encoding", "zstd".parse().unwrap());
    let refused = GreetingServiceClient::new(service.channel().await).greeting(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented, "{refused:?}");
    assert_eq!(refused.metadata().get("grpc-accept-encoding").unwrap(), "gzip,deflate,identity");
    service.stop().await;
}

#[tokio::test]
async fn a_message_over_the_limit_is_resource_exhausted() {
    let service = Service::start("service-c").await;
    let mut client = GreetingServiceClient::new(service.channel().await);
    let refused = client.greeting(request(LIMIT)).await.expect_err("too large");
    let message = format!("message of {} bytes exceeds the limit of {LIMIT} bytes", LIMIT + 46);
    assert_eq!((refused.code(), refused.message()), (Code::ResourceExhausted, message.as_str()));
    service.stop().await;
}

/// A message of 60 MiB, compressed to 60 KiB.
fn bomb(encoding: &str) -> Bytes {
    let plain = vec![0; 60 << 20];
    let compressed = if encoding == "gzip" {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&plain).and_then(|()| encoder.finish())
    } else {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&plain).and_then(|()| encoder.finish())
    };
    let compressed = compressed.expect("compressed");
    assert!(compressed.len() < LIMIT, "{}", compressed.len());
    let length = u32::try_from(compressed.len()).unwrap().to_be_bytes();
    [&[1][..], &length, &compressed].concat().into()
}

/// The largest memory of this process until now, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    peak.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

#[tokio::test]
async fn a_decompression_bomb_is_resource_exhausted_and_takes_no_memory() {
    let service = Service::start("service-c").await;
    let bombs = ["gzip", "deflate"].map(|encoding| (encoding, bomb(encoding)));
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let before = peak();
    let mut calls = JoinSet::new();
    // Health has a lower limit, which tonic checks before it decompresses.
    let greeting = ("greeting.v3.GreetingService/Greeting", Code::ResourceExhausted);
    for (path, code) in [greeting, ("grpc.health.v1.Health/Check", Code::OutOfRange)] {
        for (encoding, bomb) in &bombs {
            for _ in 0..20 {
                let request = Request::post(format!("http://{}/{path}", service.address))
                    .header("content-type", "application/grpc")
                    .header("te", "trailers")
                    .header("grpc-encoding", *encoding)
                    .body(Full::new(bomb.clone()));
                let response = client.request(request.unwrap());
                calls.spawn(async move {
                    let (head, body) = response.await.expect("a response").into_parts();
                    let body = body.collect().await.expect("a whole response");
                    let status = body.trailers().and_then(|trailers| trailers.get("grpc-status").cloned());
                    let status = status.or_else(|| head.headers.get("grpc-status").cloned()).unwrap();
                    assert_eq!((head.status, Code::from_bytes(status.as_bytes())), (StatusCode::OK, code));
                });
            }
        }
    }
    calls.join_all().await;
    // Each would take 60 MiB.
    let grown = peak() - before;
    assert!(grown < 30 << 20, "grown by {grown} bytes");
    service.stop().await;
}
