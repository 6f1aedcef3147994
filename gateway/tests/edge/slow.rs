//! Clients that send or read slowly: they hold no permits, and their memory is bounded.

use octet_proto::grpc::health::v1::{HealthCheckRequest, health_client::HealthClient};
use octet_testbed::{eventually, http2_frames::frame};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tonic::{Code, transport::Endpoint};

use crate::{
    client::{PATIENCE, get, raw},
    gateway::Gateway,
    grpc::channel,
    hostile::{PREFACE, resident},
};

/// Sends a request's head, and no body.
async fn open(gateway: &Gateway, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_slow_body_holds_no_permit() {
    let gateway = Gateway::with(&[("MAX_CONCURRENT", "1")]).await;
    let mut slow = Vec::new();
    for (path, content_type) in [
        ("/api/request-echo", "text/plain"),
        ("/v1/everything", "application/json"),
        ("/library.v1.Library/GetShelf", "application/grpc-web+proto"),
        ("/grpc.health.v1.Health/Check", "application/grpc-web+proto"),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\ngrpc-timeout: 1H\r\n\
             content-length: 100\r\n\r\nx"
        );
        slow.push(open(&gateway, &head).await);
        assert_eq!(get(&gateway, "/v1/shelves/one").await.status, 200, "{path}");
        assert_eq!(get(&gateway, "/api/request-echo").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_slow_echo_body_is_408() {
    let gateway = Gateway::with(&[("BODY_TIMEOUT", "300ms")]).await;
    let head = "POST /api/request-echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{";
    let text = raw(&gateway, head.as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 408") && text.contains("connection: close"), "{text}");
}

#[tokio::test]
async fn too_many_slow_bodies_end_the_oldest_and_not_the_newest() {
    let gateway = Gateway::start().await;
    let head = "POST /api/request-echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{";
    let mut oldest = open(&gateway, head).await;
    let mut others = Vec::new();
    for _ in 0..1_024 {
        others.push(open(&gateway, head).await);
    }
    let refused = crate::client::read_to_end(&mut oldest).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 1"), "{refused}");
    let reply = crate::client::ask(&gateway, "POST", "/api/request-echo", &[], "hello").await;
    assert_eq!(reply.json()["body"], "hello");
}

#[tokio::test]
async fn watches_hold_no_permit_and_have_a_budget_of_their_own() {
    let gateway = Gateway::with(&[("MAX_CONCURRENT", "1")]).await;
    let mut health = HealthClient::new(channel(&gateway));
    let mut watches = Vec::new();
    // Of 64, an eighth stays free for other clients.
    for _ in 0..56 {
        let mut request = tonic::Request::new(HealthCheckRequest::default());
        request.metadata_mut().insert("grpc-timeout", "1H".parse().unwrap());
        let watch = HealthClient::new(channel(&gateway)).watch(request).await;
        watches.push(watch.expect("within the budget"));
    }
    let refused = health.watch(HealthCheckRequest::default()).await.expect_err("over the budget");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    let other = Endpoint::from_shared(gateway.url("")).unwrap();
    let other = other.local_address(Some([127, 0, 0, 2].into())).connect_lazy();
    HealthClient::new(other).watch(HealthCheckRequest::default()).await.expect("another client");
    health.check(HealthCheckRequest::default()).await.expect("a check is no stream");
    assert_eq!(get(&gateway, "/v1/shelves/one").await.status, 200);
    drop(watches);
    eventually("the budget to be free again", async || {
        health.watch(HealthCheckRequest::default()).await.map(drop)
    })
    .await;
}

/// Requests `path` on `count` streams of one HTTP/2 connection, whose windows are zero, and waits for the heads of the
/// responses.
async fn unread(gateway: &Gateway, path: &str, count: u32) -> TcpStream {
    let mut block = vec![0x82, 0x86, 0x00, 0x05];
    block.extend(b":path");
    block.push(u8::try_from(path.len()).unwrap());
    block.extend(path.bytes());
    block.extend(b"\x00\x0a:authority\x01x");
    let mut bytes = PREFACE[..PREFACE.len() - 9].to_vec();
    bytes.extend(frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]));
    for number in 0..count {
        bytes.extend(frame(1, 5, number * 2 + 1, &block));
    }
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let heads = async {
        let mut heads = 0;
        while heads < count {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.expect("a frame");
            let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
            stream.read_exact(&mut payload).await.expect("its payload");
            heads += u32::from(head[3] == 1);
        }
    };
    timeout(PATIENCE, heads).await.expect("the heads");
    stream
}

#[tokio::test]
async fn unread_responses_occupy_bounded_memory() {
    let gateway = Gateway::with(&[("MAX_CONCURRENT", "8")]).await;
    get(&gateway, "/v1/shelves/big").await;
    let before = resident();
    let mut clients = Vec::new();
    for _ in 0..30 {
        clients.push(unread(&gateway, "/v1/shelves/big", 8).await);
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 128 << 20, "{grown} bytes for 240 unread responses of 1 MiB");
    let reply = get(&gateway, "/v1/shelves/big").await;
    assert_eq!(reply.body.len(), (1 << 20) + 22, "a client that reads gets all of it");
}
