//! `GreetingStream` over gRPC and REST: greetings as they are known, failures, callers that leave or do not read.

use std::collections::BTreeSet;

use http_body_util::Full;
use hyper::Request;
use octet_proto::greeting::v3::{Greeting, GreetingRequest};
use octet_testbed::eventually;
use serde_json::Value;
use tonic::{Code, Status, Streaming, metadata::MetadataMap};

use crate::{
    client::{Client, Reply, grpc},
    https::run,
    platform::{Mesh, PATIENCE},
    stub::{Behaviour, Stub},
};

/// The services whose greetings a client receives; F is reached by way of the queue.
const GREETED: [&str; 7] =
    ["service-a", "service-b", "service-c", "service-d", "service-e", "service-g", "service-h"];

const EVENTS: &str = "text/event-stream";

/// The greetings of a stream until its end, and how it ended: with these trailers or this status.
async fn all(mut stream: Streaming<Greeting>) -> (Vec<Greeting>, Result<MetadataMap, Status>) {
    let mut greetings = Vec::new();
    let read = async {
        while let Some(greeting) = stream.message().await? {
            greetings.push(greeting);
        }
        Ok(stream.trailers().await?.unwrap_or_default())
    };
    let end = tokio::time::timeout(PATIENCE, read).await.expect("an end in time");
    (greetings, end)
}

fn request(timeout: &str) -> tonic::Request<GreetingRequest> {
    let mut request = tonic::Request::new(GreetingRequest::default());
    request.metadata_mut().insert("grpc-timeout", timeout.parse().expect("a timeout"));
    request
}

fn services(greetings: &[Greeting]) -> BTreeSet<&str> {
    greetings.iter().map(|greeting| greeting.service.as_str()).collect()
}

async fn stream_over_rest(mesh: &Mesh, accept: &str) -> Reply {
    let request = Request::get(mesh.url("/api/greeting/stream")).header("accept", accept);
    Client::new().send(request.body(Full::default()).expect("a request")).await.expect("a response")
}

#[tokio::test]
async fn every_greeting_arrives_once_and_is_stored_over_grpc_and_both_forms_of_rest() {
    let mesh = Mesh::start().await;
    for address in [mesh.address("service-a"), mesh.url("").trim_start_matches("http://").to_owned()] {
        let stream = grpc(&address).greeting_stream(request("10S")).await.expect("a stream").into_inner();
        let (greetings, end) = all(stream).await;
        end.expect("success");
        assert_eq!(greetings.len(), GREETED.len());
        assert_eq!(services(&greetings), BTreeSet::from(GREETED));
        for (stored, at) in
            [("service-a", "service-c"), ("service-e", "service-g"), ("service-d", "service-f")]
        {
            mesh.documents(at).await.contain(&[id(&greetings, stored)]).await;
        }
    }

    let lines = stream_over_rest(&mesh, "*/*").await;
    assert_eq!(lines.header("content-type"), "application/json");
    let named = lines.text().lines().map(|line| service(&line.parse::<Value>().expect("JSON")["result"]));
    assert_eq!(named.collect::<BTreeSet<_>>(), GREETED.map(String::from).into());

    let events = stream_over_rest(&mesh, EVENTS).await;
    assert_eq!(events.header("content-type"), EVENTS);
    let (messages, end) = events.text().split_at(events.text().find("event:").expect("a last event"));
    assert_eq!(end, "event: end\ndata: {}\n\n");
    let data = messages.lines().filter_map(|line| line.strip_prefix("data: "));
    let named: Vec<_> = data.map(|data| service(&data.parse().expect("JSON"))).collect();
    assert_eq!((named.len(), named.into_iter().collect()), (7, BTreeSet::from(GREETED.map(String::from))));

    let gateway = mesh.url("").trim_start_matches("http://").to_owned();
    let called =
        run("grpcurl", &["-plaintext", &gateway, "greeting.v3.GreetingService/GreetingStream"]).await;
    assert_eq!(called.matches("\"service\":").count(), GREETED.len(), "{called}");
    mesh.end().await;
}

fn id(greetings: &[Greeting], service: &str) -> String {
    greetings.iter().find(|greeting| greeting.service == service).expect(service).id.clone()
}

fn service(greeting: &Value) -> String {
    greeting["service"].as_str().expect("a service").to_owned()
}

#[tokio::test]
async fn greetings_arrive_before_a_late_leaf_which_the_failure_names() {
    let mut leaf = Stub::start(Behaviour::Hangs).await;
    let mesh = Mesh::builder().with("SERVICE_G_URL", leaf.address.to_string()).start().await;
    let stream = grpc(&mesh.address("service-a")).greeting_stream(request("3S")).await.expect("a stream");
    let (greetings, end) = all(stream.into_inner()).await;
    let status = end.expect_err("G is late");
    assert_eq!(services(&greetings), GREETED.iter().copied().filter(|name| *name != "service-g").collect());
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    assert!(status.message().starts_with("service-b/service-e/service-g: "), "{status}");
    leaf.cancelled(1).await;

    // Over REST, the failure comes as the last event.
    let events = Request::get(mesh.url("/api/greeting/stream")).header("accept", EVENTS);
    let events = events.header("grpc-timeout", "3S").body(Full::default()).expect("a request");
    let events = Client::new().send(events).await.expect("a response");
    assert_eq!(events.status, 200);
    let last = events.text().lines().rev().find_map(|line| line.strip_prefix("data: ")).expect("an event");
    let last: Value = last.parse().expect("JSON");
    assert_eq!(last["code"], 4, "{}", events.text());
    let message = last["message"].as_str().expect("a message");
    assert!(message.starts_with("service-a/service-b/service-e/service-g: "), "{message}");
    assert!(events.text().contains("event: error\n"), "{}", events.text());
    mesh.end().await;
}

#[tokio::test]
async fn a_partial_stream_ends_with_the_missing_services_in_its_trailers() {
    let mesh = Mesh::builder()
        .with("FAILURE_POLICY", "partial")
        .with("SERVICE_G_URL", "127.0.0.1:9")
        .with("CONNECT_WAIT", "10ms")
        .start()
        .await;
    let stream = grpc(&mesh.address("service-a")).greeting_stream(request("10S")).await.expect("a stream");
    let (greetings, end) = all(stream.into_inner()).await;
    let missing = "service-b/service-e/service-g=UNAVAILABLE";
    assert_eq!(end.expect("partial success").get("octet-missing").expect("missing"), missing);
    assert_eq!(greetings.len(), 6);
    let events = stream_over_rest(&mesh, EVENTS).await;
    let end = format!("event: end\ndata: {{\"grpc-trailer-octet-missing\":\"{missing}\"}}\n\n");
    assert!(events.text().ends_with(&end), "{}", events.text());
    mesh.end().await;
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_the_stream_down_to_the_leaf() {
    let mut leaf = Stub::start(Behaviour::Hangs).await;
    let mesh = Mesh::builder().with("SERVICE_G_URL", leaf.address.to_string()).start().await;
    let mut client = grpc(&mesh.address("service-a"));
    let mut stream = client.greeting_stream(request("1H")).await.expect("a stream").into_inner();
    stream.message().await.expect("a greeting").expect("a greeting");
    leaf.called(1).await;
    drop(stream);
    leaf.cancelled(1).await;
    let cancelled = r#"grpc_server_handled_total{grpc_code="Canceled",grpc_method="GreetingStream""#;
    for hop in ["service-a", "service-b", "service-e"] {
        let counted = format!("{hop} counts a cancelled stream");
        eventually(&counted, async || {
            Client::new().get(&mesh.admin(hop, "/metrics")).await.text().contains(cancelled)
        })
        .await;
    }
    mesh.end().await;
}

/// Each caller leaves its stream unread behind a window of 0. The permits are held by tasks that end in time.
#[tokio::test]
async fn streams_that_nobody_reads_leave_the_service_to_others() {
    let mesh = Mesh::builder().with("MAX_CONCURRENT", "20").start().await;
    let address = mesh.address("service-h");
    let mut unread = Vec::new();
    for _ in 0..20 {
        let endpoint =
            tonic::transport::Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let channel = endpoint.initial_stream_window_size(0).connect_lazy();
        let mut client =
            octet_proto::greeting::v3::greeting_service_client::GreetingServiceClient::new(channel);
        unread.push(client.greeting_stream(request("1H")).await.expect("a stream"));
    }
    let mut client = grpc(&address);
    eventually("the unread streams release their permits", async || {
        client.greeting(request("5S")).await.map(drop)
    })
    .await;
    drop(unread);
    mesh.end().await;
}
