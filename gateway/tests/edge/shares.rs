//! No client can take what all others need: permits for calls, memory for messages, requests for pages.

use std::{convert::Infallible, net::IpAddr, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use octet_testbed::eventually;
use prost_reflect::{DynamicMessage, Value, prost::Message};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    client::{HttpVersion, PATIENCE, Reply, get},
    gateway::Gateway,
    hostile::resident,
    library::pool,
};

/// Not the address of [`get`], and no trusted proxy.
const HOSTILE: [u8; 4] = [127, 0, 0, 2];

/// A stream that goes on for an hour, and whose messages are read.
const ENDLESS: &str = "/v1/shelves/endless:watch";

const LONG: [(&str, &str); 2] = [("REQUEST_TIMEOUT", "1h"), ("BODY_TIMEOUT", "1h")];

/// A client with an address and, if it is HTTP/2's, one connection.
fn client(version: HttpVersion, address: impl Into<IpAddr>) -> Client<HttpConnector, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_local_address(Some(address.into()));
    Client::builder(TokioExecutor::new()).http2_only(version == HttpVersion::Http2).build(connector)
}

/// Sends a request for [`ENDLESS`], and returns the head of the response.
async fn open(
    client: Client<HttpConnector, Full<Bytes>>,
    gateway: &Gateway,
    forwarded_for: &str,
) -> http::Response<Incoming> {
    let request = Request::get(gateway.url(ENDLESS)).header("x-forwarded-for", forwarded_for);
    let response = client.request(request.body(Full::default()).unwrap());
    tokio::time::timeout(PATIENCE, response).await.expect("in time").expect("a response")
}

/// Callers that read their streams until they are dropped.
#[derive(Default)]
struct Callers {
    reading: JoinSet<()>,
    admitted: usize,
    refused: usize,
}

impl Callers {
    async fn add(&mut self, response: http::Response<Incoming>) {
        if response.status() == StatusCode::OK {
            self.admitted += 1;
            let mut body = response.into_body();
            self.reading.spawn(async move { while body.frame().await.is_some() {} });
            return;
        }
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "1");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!(body.contains("too many requests of this client are in flight"), "{body}");
        self.refused += 1;
    }
}

async fn is_served(gateway: &Gateway) {
    for path in ["/v1/shelves/one", "/api/request-echo", "/v1/shelves/2:watch", "/api/topology"] {
        let reply: Reply = get(gateway, path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    }
}

#[tokio::test]
async fn hostile_callers_on_many_connections_leave_permits_for_other_clients() {
    let gateway = Gateway::with(&[LONG[0], LONG[1], ("MAX_CONCURRENT", "32")]).await;
    let mut callers = Callers::default();
    for _ in 0..60 {
        callers.add(open(client(HttpVersion::Http1, HOSTILE), &gateway, "").await).await;
        is_served(&gateway).await;
    }
    // All but an eighth, since nobody else wants them.
    assert_eq!((callers.admitted, callers.refused), (28, 32));
    // Others have the rest; a single one of them cannot take all of that.
    let mut others = Callers::default();
    for _ in 0..4 {
        others.add(open(client(HttpVersion::Http1, [127, 0, 0, 3]), &gateway, "").await).await;
        is_served(&gateway).await;
    }
    drop(callers);
    eventually("permits are free again", async || {
        let response = open(client(HttpVersion::Http1, HOSTILE), &gateway, "").await;
        response.status() == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_have_shares_of_their_own() {
    let gateway = Gateway::with(&[LONG[0], LONG[1], ("MAX_CONCURRENT", "32")]).await;
    // All over one connection of the proxy, which is trusted.
    let proxy = client(HttpVersion::Http2, [127, 0, 0, 1]);
    let mut callers = Callers::default();
    for _ in 0..40 {
        callers.add(open(proxy.clone(), &gateway, "203.0.113.9").await).await;
    }
    assert!(callers.refused > 0, "{} admitted", callers.admitted);
    let other = open(proxy.clone(), &gateway, "203.0.113.10").await;
    assert_eq!(other.status(), StatusCode::OK);
    // A proxy that is not trusted cannot name clients.
    let untrusted = client(HttpVersion::Http2, HOSTILE);
    let mut callers = Callers::default();
    for number in 0..40 {
        callers.add(open(untrusted.clone(), &gateway, &format!("203.0.113.{number}")).await).await;
    }
    assert!(callers.refused > 20, "{} admitted", callers.admitted);
    is_served(&gateway).await;
}

#[tokio::test]
async fn one_connection_leaves_permits_for_other_connections_of_its_client() {
    let gateway = Gateway::with(&[LONG[0], LONG[1], ("MAX_CONCURRENT", "32")]).await;
    let connection = client(HttpVersion::Http2, [127, 0, 0, 1]);
    let mut callers = Callers::default();
    for _ in 0..40 {
        callers.add(open(connection.clone(), &gateway, "").await).await;
    }
    assert_eq!(callers.admitted, 14, "half of what the client may have");
    is_served(&gateway).await;
}

#[tokio::test]
async fn calls_of_others_do_not_wait_behind_a_burst() {
    // While others call, four calls of a client are with the services.
    let gateway = Gateway::with(&[LONG[0], ("MAX_CONCURRENT", "64")]).await;
    let is_called = async || get(&gateway, "/v1/shelves/one").await.status == 200;
    assert!(is_called().await);
    let mut burst = JoinSet::new();
    for _ in 0..50 {
        let request = Request::get(gateway.url("/v1/shelves/slow")).body(Full::default()).unwrap();
        burst.spawn(client(HttpVersion::Http1, HOSTILE).request(request));
    }
    eventually("the burst arrives", async || gateway.library.calls() > 4).await;
    assert!(is_called().await);
    let calls = gateway.library.calls();
    assert!(calls < 50, "{calls} calls reached the service before it");
    // They do not end, so that others start in their place.
    eventually("more of them start", async || gateway.library.calls() > calls).await;
}

/// A gRPC message.
fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat().into()
}

/// A message for `Chat`, with a name of `bytes`.
fn shelf_request(bytes: usize) -> Bytes {
    let mut message = DynamicMessage::new(pool().get_message_by_name("library.v1.ShelfRequest").unwrap());
    message.set_field_by_name("shelf", Value::String("x".repeat(bytes)));
    framed(&message.encode_to_vec())
}

/// A call of `Chat` that sends `pieces` and does not end its stream. Returns the status that ends the call.
async fn chat(gateway: &Gateway, address: [u8; 4], pieces: Vec<Bytes>) -> (String, String) {
    let mut connector = HttpConnector::new();
    connector.set_local_address(Some(address.into()));
    let client: Client<_, StreamBody<_>> =
        Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
    let pieces = futures_util::stream::iter(pieces).chain(futures_util::stream::pending());
    let request = Request::post(gateway.url("/library.v1.Library/Chat"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", "1H")
        .body(StreamBody::new(pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece)))));
    let (head, mut body) = client.request(request.unwrap()).await.expect("a response").into_parts();
    let mut trailers = head.headers;
    while !trailers.contains_key("grpc-status") {
        let frame = body.frame().await.expect("a status").expect("a frame");
        if let Ok(end) = frame.into_trailers() {
            trailers = end;
        }
    }
    let text = |name: &str| trailers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    (text("grpc-status"), text("grpc-message"))
}

#[tokio::test]
async fn messages_of_clients_that_stream_are_bounded_in_bytes() {
    let gateway = Gateway::start().await;
    get(&gateway, "/v1/shelves/big").await;
    let before = resident();
    // A message of 4 MiB that never becomes whole. The budget is 32 MiB.
    let incomplete = shelf_request((4 << 20) - 100).slice(..3 << 20);
    let calling = async {
        let mut ended = Vec::new();
        let calls: Vec<_> = (0..40).map(|_| chat(&gateway, HOSTILE, vec![incomplete.clone()])).collect();
        let mut calls: futures_util::stream::FuturesUnordered<_> = calls.into_iter().collect();
        while ended.len() < 30 {
            ended.push(calls.next().await.expect("forty"));
        }
        // The others stay open.
        (ended, calls)
    };
    let (ended, _open) = tokio::time::timeout(PATIENCE, calling).await.expect("thirty are refused");
    for (status, message) in ended {
        assert_eq!(status, "14", "{message}");
        assert!(message.contains("too%20many%20large%20requests"), "{message}");
    }
    let grown = resident().saturating_sub(before);
    // This process holds what its clients send, too.
    assert!(grown < 192 << 20, "{grown} bytes");
    // Another client has its share.
    let message = vec![shelf_request(1 << 20), Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff])];
    let (status, message) = chat(&gateway, [127, 0, 0, 1], message).await;
    assert_eq!(status, "8", "its second message is too large, and ends the call: {message}");
}

#[tokio::test]
async fn a_stream_of_many_large_messages_passes_within_the_budget() {
    let gateway = Gateway::start().await;
    // 60 MiB, one after the other; the last is too large and ends the call.
    let mut messages = vec![shelf_request(1 << 20); 60];
    messages.push(Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff]));
    let passing = chat(&gateway, [127, 0, 0, 1], messages);
    let (status, message) =
        tokio::time::timeout(PATIENCE + Duration::from_secs(20), passing).await.expect("in time");
    assert_eq!(status, "8", "{message}");
}

#[tokio::test]
async fn one_client_cannot_occupy_all_trace_queries() {
    const QUERIES: usize = 20;
    // What the gateway sends at once for one client.
    const ADMITTED: usize = 14;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let backend = axum::Router::new()
        .route("/api/v2/traces", axum::routing::get(std::future::pending::<()>))
        .route("/api/v2/services", axum::routing::get(async || axum::Json(["a"])));
    tokio::spawn(async { axum::serve(listener, backend).await });
    let gateway = Gateway::with(&[("TRACE_QUERY_URL", &url)]).await;
    let hostile = client(HttpVersion::Http1, HOSTILE);
    let mut queries = JoinSet::new();
    for _ in 0..QUERIES {
        queries.spawn(hostile.get(gateway.url("/zipkin/api/v2/traces").parse().unwrap()));
    }
    for _ in ADMITTED..QUERIES {
        let refused = tokio::time::timeout(PATIENCE, queries.join_next()).await.expect("in time");
        let status = refused.unwrap().unwrap().expect("a response").status();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
    let reply = get(&gateway, "/zipkin/api/v2/services").await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, r#"["a"]"#));
}
