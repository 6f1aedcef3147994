//! A client that begins a gRPC call and does not go on: the service waits no longer than the call may take, and is not
//! held up when it ends.

use std::time::{Duration, Instant};

use futures_util::stream;
use http_body_util::StreamBody;
use hyper::{
    Request, Response,
    body::{Bytes, Frame, Incoming},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustix::process::Signal;
use tokio::time::timeout;

use crate::{
    platform::{Mesh, PATIENCE},
    process::Process,
};

/// A message of ten bytes is announced, and none of them comes.
const BEGUN: &[u8] = &[0, 0, 0, 0, 10];

/// Sends `data` and leaves the call open; answers with the head of what came back.
async fn begin(
    address: &str,
    path: &str,
    headers: &[(&str, &str)],
    data: &'static [u8],
) -> Response<Incoming> {
    let first = async move { Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(data))) };
    let body = StreamBody::new(stream::StreamExt::chain(stream::once(Box::pin(first)), stream::pending()));
    let mut request = Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build(http);
    let answer = client.request(request.body(body).expect("a request"));
    timeout(PATIENCE, answer).await.expect("in time").expect("an answer")
}

#[tokio::test]
async fn a_message_that_never_comes_ends_the_call_at_its_deadline() {
    let mesh = Mesh::start().await;
    for path in ["/greeting.v3.GreetingService/Greeting", "/grpc.health.v1.Health/Check"] {
        let begun = Instant::now();
        let answer = begin(&mesh.address("service-c"), path, &[("grpc-timeout", "200m")], BEGUN).await;
        assert_eq!(answer.headers()["grpc-status"], "4", "{path}: {answer:?}");
        assert!(begun.elapsed() >= Duration::from_millis(200), "{path}: {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(5), "{path}: {:?}", begun.elapsed());
    }
    mesh.end().await;
}

#[tokio::test]
async fn a_stream_that_asks_nothing_more_does_not_hold_up_the_end() {
    let place = tempfile::tempdir().expect("a directory");
    let store = format!("sqlite:{}", place.path().display());
    let environment = [("STORE_URL", store.as_str()), ("DRAIN_PAUSE", "0s"), ("DRAIN_GRACE", "20s")];
    let mut service = Process::start(&["service", "service-g"], &environment).await;
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    // One question: `list_services`, with an empty text.
    let _open = begin(&service.address, path, &[], &[0, 0, 0, 0, 2, 0x3a, 0]).await;
    let begun = Instant::now();
    service.signal(Signal::TERM);
    service.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
