//! Clients that do not send the body they announced, or do not read the response: others are still served.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use octet_proto::grpc::health::v1::{HealthCheckRequest, health_client::HealthClient};
use octet_testbed::{
    eventually,
    http2_frames::{frame, literal},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use crate::{
    client::{PATIENCE, ask, get, raw},
    gateway::Gateway,
    grpc::channel,
    hostile::resident,
};

/// The gateway disconnects a client that has answered no ping for this long.
const UNANSWERED_PINGS: Duration = Duration::from_secs(40);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// An HTTP/2 client that sends one request and gives its response a zero window.
struct Stalled {
    stream: TcpStream,
}

impl Stalled {
    async fn ask(gateway: &Gateway, method: &str, path: &str, more: &[(&str, &str)], body: &[u8]) -> Self {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let head = [(":method", method), (":scheme", "http"), (":authority", "x"), (":path", path)];
        let block: Vec<u8> = head.iter().chain(more).flat_map(|(name, value)| literal(name, value)).collect();
        let no_window = [0, 4, 0, 0, 0, 0];
        let bytes = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            frame(SETTINGS, 0, 0, &no_window),
            frame(HEADERS, END_HEADERS, 1, &block),
        ];
        stream.write_all(&bytes.concat()).await.unwrap();
        for piece in body.chunks(16 * 1024) {
            stream.write_all(&frame(DATA, 0, 1, piece)).await.unwrap();
        }
        stream.write_all(&frame(DATA, END_STREAM, 1, b"")).await.unwrap();
        Self { stream }
    }

    async fn frame(&mut self) -> (u8, u8, Vec<u8>) {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.expect("the connection is open");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).await.expect("the rest of the frame");
        let (kind, flags) = (head[3], head[4]);
        if flags & 1 == 0 && (kind == SETTINGS || kind == PING) {
            let echoed = if kind == PING { payload.as_slice() } else { &[] };
            self.stream.write_all(&frame(kind, 1, 0, echoed)).await.unwrap();
        }
        (kind, flags, payload)
    }

    /// Waits for the response's head.
    async fn head_arrives(&mut self) {
        let head = async { while self.frame().await.0 != HEADERS {} };
        timeout(PATIENCE, head).await.expect("a head");
    }

    async fn open_window(&mut self) {
        let window = (1_u32 << 20).to_be_bytes();
        self.stream.write_all(&frame(WINDOW_UPDATE, 0, 1, &window)).await.unwrap();
    }

    /// Resumes reading, to the stream's regular end, and returns its data.
    async fn read_rest(&mut self) -> Vec<u8> {
        self.open_window().await;
        let mut data = Vec::new();
        let rest = async {
            loop {
                let (kind, flags, payload) = self.frame().await;
                match kind {
                    DATA => data.extend(payload),
                    HEADERS => {}
                    _ => continue,
                }
                if flags & END_STREAM != 0 {
                    return data;
                }
            }
        };
        timeout(PATIENCE, rest).await.expect("an end")
    }
}

async fn others_are_served(gateway: &Gateway) {
    eventually("other clients to be served", async || get(gateway, "/v1/shelves/one").await.status == 200)
        .await;
}

/// A message of `library.v1` whose first field is `text`.
fn message(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    [&[0, 0, 0, 0, length + 2, 0x0a, length], text.as_bytes()].concat()
}

#[tokio::test]
async fn a_health_check_without_its_message_ends_in_time() {
    let gateway = Gateway::with(&[("BODY_TIMEOUT", "300ms"), ("MAX_CONCURRENT", "1")]).await;
    for timeout in ["", "grpc-timeout: 100m\r\n", "grpc-timeout: 1H\r\n"] {
        let head = format!(
            "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: x\r\ncontent-type: application/grpc-web+proto\r\n\
             {timeout}content-length: 100\r\n\r\n"
        );
        let start = Instant::now();
        let answer = raw(&gateway, head.as_bytes()).await;
        assert!(answer.contains("grpc-status: 4"), "{answer}");
        assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
        assert_eq!(get(&gateway, "/v1/shelves/one").await.status, 200);
    }
}

#[tokio::test]
async fn an_unread_rpc_ends_at_its_deadline() {
    const GRPC: [(&str, &str); 3] =
        [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "500m")];
    let gateway = Gateway::with(&[("MAX_CONCURRENT", "1")]).await;
    for (path, body) in
        [("/grpc.health.v1.Health/Watch", vec![0; 5]), ("/library.v1.Library/Watch", message("endless"))]
    {
        let mut client = Stalled::ask(&gateway, "POST", path, &GRPC, &body).await;
        client.head_arrives().await;
        if path.starts_with("/library") {
            assert_eq!(get(&gateway, "/v1/shelves/one").await.status, 503, "{path} holds the permit");
        }
        others_are_served(&gateway).await;
        assert!(!client.read_rest().await.is_empty(), "{path}: the messages before the end are kept");
    }
    let metrics = get(&gateway, "/api/metrics").await.text();
    for side in ["client", "server"] {
        let counted = metrics.lines().any(|line| {
            line.starts_with(&format!("grpc_{side}_handled_total"))
                && line.contains("\"Watch\"")
                && line.contains("DeadlineExceeded")
        });
        assert!(counted, "{side}: {metrics}");
    }
}

#[tokio::test]
async fn unread_lines_end_at_their_deadline() {
    let gateway = Gateway::with(&[("MAX_CONCURRENT", "1"), ("REQUEST_TIMEOUT", "500ms")]).await;
    let mut client = Stalled::ask(&gateway, "GET", "/v1/shelves/endless:watch", &[], b"").await;
    client.head_arrives().await;
    assert_eq!(get(&gateway, "/v1/shelves/one").await.status, 503, "it holds the permit");
    others_are_served(&gateway).await;
    let lines = String::from_utf8(client.read_rest().await).unwrap();
    assert!(lines.starts_with("{\"result\":"), "{lines}");
    let last = r#"{"error":{"code":4,"message":"service-a: deadline passed","details":[]}}"#;
    assert_eq!(lines.lines().last(), Some(last));
}

#[tokio::test]
async fn an_unread_response_holds_no_permit_and_is_given_up_in_time() {
    let url = trace_backend().await;
    let gateway =
        Gateway::with(&[("MAX_CONCURRENT", "1"), ("BODY_TIMEOUT", "500ms"), ("TRACE_QUERY_URL", &url)]).await;
    // JSON needs six bytes for each.
    let body = vec![1; 40_000];
    for (method, path, body) in [
        ("POST", "/api/request-echo", &*body),
        ("GET", "/v1/shelves/big", &[]),
        ("GET", "/zipkin/api/v2/traces", &[]),
        ("GET", "/openapi.json", &[]),
    ] {
        let mut client = Stalled::ask(&gateway, method, path, &[], body).await;
        client.head_arrives().await;
        assert_eq!(get(&gateway, "/v1/shelves/one").await.status, 200, "{path} holds no permit");
        sleep(Duration::from_millis(1_500)).await;
        client.open_window().await;
        let reset = async { while client.frame().await.0 != RST_STREAM {} };
        timeout(PATIENCE, reset).await.expect("the response was given up");
    }
    let body = "\u{1}".repeat(40_000);
    let reply = ask(&gateway, "POST", "/api/request-echo", &[], &body).await;
    assert_eq!(reply.json()["body"], body, "a client that reads gets all of it");
}

#[tokio::test]
async fn an_unread_stream_ends_before_its_deadline_and_a_waiting_one_does_not() {
    let gateway = Gateway::with(&[("MAX_CONCURRENT", "1"), ("BODY_TIMEOUT", "300ms")]).await;
    let hour = [("grpc-timeout", "1H")];
    let mut client = Stalled::ask(&gateway, "GET", "/v1/shelves/endless:watch", &hour, b"").await;
    client.head_arrives().await;
    others_are_served(&gateway).await;

    // It waits for the service, not for its client.
    let path = "/v1/shelves/1-pause:watch";
    let reply = ask(&gateway, "GET", path, &hour, "").await;
    assert_eq!(reply.text().lines().count(), 2, "{}", reply.text());
}

#[tokio::test]
async fn calls_that_are_not_read_hold_at_most_half_of_the_permits() {
    // Before clients that answer no pings are disconnected, only giving up unread calls can release permits.
    let started = Instant::now();
    let gateway =
        Gateway::with(&[("MAX_CONCURRENT", "8"), ("BODY_TIMEOUT", "1h"), ("REQUEST_TIMEOUT", "1h")]).await;
    // It waits for the service, not for its client.
    let waiting = ask(&gateway, "GET", "/v1/shelves/1-pause:watch", &[], "");
    let attack = async {
        let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
        let mut unread = Vec::new();
        for _ in 0..8 {
            let rest = Stalled::ask(&gateway, "GET", "/v1/shelves/endless:watch", &[], b"").await;
            let path = "/library.v1.Library/Watch";
            let call = Stalled::ask(&gateway, "POST", path, &grpc, &message("endless")).await;
            for mut client in [rest, call] {
                client.head_arrives().await;
                others_are_served(&gateway).await;
                unread.push(client);
            }
        }
        unread
    };
    let (waited, _unread) = tokio::join!(waiting, attack);
    assert_eq!(waited.text().lines().count(), 2, "{}", waited.text());
    // More than the gateway admits are still open.
    others_are_served(&gateway).await;
    assert!(started.elapsed() < UNANSWERED_PINGS, "{:?}", started.elapsed());
}

#[tokio::test]
async fn watches_of_health_that_are_not_read_leave_room_for_others() {
    let started = Instant::now();
    let gateway = Gateway::with(&[("BODY_TIMEOUT", "1h"), ("REQUEST_TIMEOUT", "1h")]).await;
    let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
    let mut unread = Vec::new();
    for _ in 0..80 {
        let path = "/grpc.health.v1.Health/Watch";
        let mut client = Stalled::ask(&gateway, "POST", path, &grpc, &[0; 5]).await;
        client.head_arrives().await;
        unread.push(client);
    }
    let mut health = HealthClient::new(channel(&gateway));
    eventually("a watch to be served", async || {
        let mut watch = health.watch(HealthCheckRequest::default()).await?.into_inner();
        watch.message().await
    })
    .await;
    assert!(started.elapsed() < UNANSWERED_PINGS, "{:?}", started.elapsed());
}

#[tokio::test]
async fn responses_of_the_trace_backend_have_one_budget() {
    // Each response has 8 MiB so far, and does not end.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let backend = axum::Router::new().fallback(async || {
        let pieces = std::iter::repeat_n(Bytes::from(vec![b' '; 1 << 20]), 8);
        let endless = futures_util::stream::iter(pieces).chain(futures_util::stream::pending());
        Body::from_stream(endless.map(Ok::<_, Infallible>))
    });
    tokio::spawn(async { axum::serve(listener, backend).await });
    let gateway = Gateway::with(&[("TRACE_QUERY_URL", &url)]).await;
    let query = async || get(&gateway, "/zipkin/api/v2/traces").await;
    // The budget is 40 MiB, of which some is reserved for others: of four, one is refused, and the others time out.
    let replies = tokio::join!(query(), query(), query(), query());
    let mut statuses = [replies.0, replies.1, replies.2, replies.3].map(|reply| reply.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [503, 504, 504, 504]);
}

#[tokio::test]
async fn the_largest_traces_occupy_bounded_memory_while_nobody_reads_them() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let largest = Bytes::from(vec![b'1'; 16 << 20]);
    let backend = axum::Router::new().fallback(async move || largest.clone());
    tokio::spawn(async { axum::serve(listener, backend).await });
    let gateway = Gateway::with(&[("TRACE_QUERY_URL", &url), ("BODY_TIMEOUT", "1h")]).await;
    let path = "/zipkin/api/v2/traces";
    let before = resident();
    let mut unread = Vec::new();
    for _ in 0..4 {
        // As many queries as the gateway sends at once. Some are refused.
        let client = || async {
            let mut client = Stalled::ask(&gateway, "GET", path, &[], b"").await;
            client.head_arrives().await;
            client
        };
        unread.push(tokio::join!(client(), client(), client(), client()));
        let grown = resident().saturating_sub(before);
        assert!(grown < 96 << 20, "{grown} bytes for {} unread responses", 4 * unread.len());
    }
    assert_eq!(get(&gateway, path).await.body.len(), 16 << 20, "a client that reads gets all of it");
}

/// A trace backend that always returns a JSON string of 100,000 bytes.
async fn trace_backend() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let backend = axum::Router::new().fallback(async || axum::Json("x".repeat(100_000 - 2)));
    tokio::spawn(async { axum::serve(listener, backend).await });
    url
}

#[tokio::test]
async fn unread_traces_do_not_keep_others_from_reading_traces() {
    let url = trace_backend().await;
    let gateway = Gateway::with(&[("TRACE_QUERY_URL", &url)]).await;
    let path = "/zipkin/api/v2/traces";
    let mut unread = Vec::new();
    for _ in 0..8 {
        let mut client = Stalled::ask(&gateway, "GET", path, &[], b"").await;
        client.head_arrives().await;
        unread.push(client);
    }
    assert_eq!(get(&gateway, path).await.body.len(), 100_000);
}
