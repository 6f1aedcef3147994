//! Server-streaming RPCs over REST.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use octet_testbed::eventually;

use crate::{
    client::{HttpVersion, PATIENCE, get, send},
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
