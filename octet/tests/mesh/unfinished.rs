//! Clients that start a gRPC call and send no more: the call ends at its deadline, and does not delay the drain.

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

/// The header of a message of ten bytes, none of which follow.
const UNFINISHED: &[u8] = &[0, 0, 0, 0, 10];

/// Sends `data`, leaves the call open, and returns the head of the response.
async fn start_call(
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
    let response = client.request(request.body(body).expect("a request"));
    timeout(PATIENCE, response).await.expect("in time").expect("a response")
}

#[tokio::test]
async fn a_call_without_its_message_ends_at_its_deadline() {
    let mesh = Mesh::start().await;
    for path in ["/greeting.v3.GreetingService/Greeting", "/grpc.health.v1.Health/Check"] {
        let started = Instant::now();
        let response =
            start_call(&mesh.address("service-c"), path, &[("grpc-timeout", "200m")], UNFINISHED).await;
        assert_eq!(response.headers()["grpc-status"], "4", "{path}: {response:?}");
        // A service responds a little before the deadline, so that the response arrives in time.
        assert!(started.elapsed() >= Duration::from_millis(150), "{path}: {:?}", started.elapsed());
        assert!(started.elapsed() < Duration::from_secs(5), "{path}: {:?}", started.elapsed());
    }
    mesh.end().await;
}

#[tokio::test]
async fn an_idle_stream_does_not_delay_the_exit() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = format!("sqlite:{}", directory.path().display());
    let environment = [("STORE_URL", store.as_str()), ("DRAIN_PAUSE", "0s"), ("DRAIN_GRACE", "1m")];
    let mut service = Process::start(&["service", "service-g"], &environment).await;
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    // One request: `list_services` with an empty string.
    let _open = start_call(&service.address, path, &[], &[0, 0, 0, 0, 2, 0x3a, 0]).await;
    service.signal(Signal::TERM);
    // It exits before the grace period is over, or `ended` fails.
    service.ended().await;
}
