//! Server-streaming RPCs over REST.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use octet_testbed::eventually;

use crate::{
    client::{HttpVersion, PATIENCE, Reply, get, send},
    gateway::Gateway,
};

#[tokio::test]
async fn an_empty_stream_is_an_empty_response_with_metadata() {
    let gateway = Gateway::start().await;
    let reply = get(&gateway, "/v1/shelves/0:watch").await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, ""));
    assert_eq!(reply.header("grpc-metadata-x-answered-by"), "library");
}

#[tokio::test]
async fn trailers_of_a_stream_are_http_trailers() {
    let gateway = Gateway::start().await;
    let request = Request::get(gateway.url("/v1/shelves/2:watch")).body(Full::default()).unwrap();
    let reply = send(HttpVersion::Http2, request).await;
    assert_eq!(reply.text().lines().count(), 2);
    assert_eq!(reply.trailers["grpc-trailer-x-checksum"], "42");
}

#[tokio::test]
async fn lines_arrive_one_by_one_until_the_deadline() {
    let gateway = Gateway::start().await;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(gateway.url("/v1/shelves/endless:watch")).header("grpc-timeout", "700m");
    let mut body = client.request(request.body(Full::default()).unwrap()).await.unwrap().into_body();
    let first = tokio::time::timeout(PATIENCE, body.frame()).await.unwrap().unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "{\"result\":{\"name\":\"again\",\"theme\":\"\"}}\n");
    let rest = tokio::time::timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
    let last = String::from_utf8_lossy(&rest).lines().last().unwrap().to_owned();
    assert_eq!(last, r#"{"error":{"code":4,"message":"service-a: deadline passed","details":[]}}"#);
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_stream() {
    let gateway = Gateway::with(&[("MAX_CONCURRENT", "1")]).await;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(gateway.url("/v1/shelves/endless:watch")).header("grpc-timeout", "1M");
    let mut body = client.request(request.body(Full::default()).unwrap()).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(get(&gateway, "/v1/shelves/one").await.status, 503, "the stream holds the permit");
    drop(body);
    eventually("the cancelled stream to release its permit", async || {
        get(&gateway, "/v1/shelves/one").await.status == 200
    })
    .await;
}

const EVENTS: (&str, &str) = ("accept", "text/event-stream");

/// A stream as server-sent events.
async fn events(gateway: &Gateway, path: &str) -> Reply {
    let request = Request::get(gateway.url(path)).header(EVENTS.0, EVENTS.1).body(Full::default()).unwrap();
    send(HttpVersion::Http1, request).await
}

#[tokio::test]
async fn a_client_that_accepts_events_receives_messages_and_then_the_trailers_as_events() {
    let gateway = Gateway::start().await;
    let reply = events(&gateway, "/v1/shelves/2:watch").await;
    assert_eq!(reply.header("content-type"), "text/event-stream");
    assert_eq!(reply.header("grpc-metadata-x-answered-by"), "library");
    let text = reply.text();
    let (messages, end) = text.split_at(text.find("event: end\n").expect("an end event"));
    assert_eq!(messages.matches("data: {\"name\":").count(), 2, "{messages}");
    assert_eq!(messages.matches("\n\n").count(), 2, "{messages}");
    assert_eq!(end, "event: end\ndata: {\"grpc-trailer-x-checksum\":\"42\"}\n\n");
}

#[tokio::test]
async fn events_end_with_an_error_event_at_the_deadline() {
    let gateway = Gateway::start().await;
    let request = Request::get(gateway.url("/v1/shelves/endless:watch"))
        .header(EVENTS.0, EVENTS.1)
        .header("grpc-timeout", "700m");
    let reply = send(HttpVersion::Http2, request.body(Full::default()).unwrap()).await;
    let text = reply.text();
    assert!(text.starts_with("data: {\"name\":\"again\",\"theme\":\"\"}\n\n"), "{text}");
    let last =
        "event: error\ndata: {\"code\":4,\"message\":\"service-a: deadline passed\",\"details\":[]}\n\n";
    assert!(text.ends_with(last), "{text}");
}

#[tokio::test]
async fn a_stream_that_fails_before_its_first_event_has_the_status_and_body_of_its_error() {
    let gateway = Gateway::start().await;
    let reply = events(&gateway, "/v1/shelves/0-fail:watch").await;
    assert_eq!(reply.header("content-type"), "application/json");
    let expected = r#"{"code":5,"message":"no more","details":[]}"#;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (404, expected));
}
