//! Services that are frozen: connections stand, and nothing responds. The deadline that passes names them at every hop.

use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use octet_proto::greeting::v3::GreetingRequest;
use octet_testbed::eventually;
use rustix::process::Signal;
use serde_json::Value;
use tonic::{Code, Status};

use crate::{
    client::{self, Client, Reply},
    platform::Mesh,
    zipkin::Zipkin,
};

/// Long enough for the longest reserve of each hop, as a busy machine needs it.
const TIMEOUT: Duration = Duration::from_secs(9);

async fn get(mesh: &Mesh) -> Reply {
    let request = Request::get(mesh.url("/api/greeting")).header("grpc-timeout", "9S");
    Client::new().send(request.body(Full::default()).expect("a request")).await.expect("a response")
}

/// Calls by gRPC, with a client that gives up by itself when its deadline has passed.
async fn call(address: &str) -> Status {
    let mut request = tonic::Request::new(GreetingRequest::default());
    request.set_timeout(TIMEOUT);
    client::grpc(address).greeting(request).await.expect_err("late")
}

fn assert_late(status: &Status, message: &str) {
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, message));
}

#[tokio::test]
async fn a_frozen_leaf_is_named_with_its_path_at_every_hop_and_in_the_trace() {
    let zipkin = Zipkin::start().await;
    let mut builder = Mesh::builder();
    for (name, value) in zipkin.environment() {
        builder = builder.with(name, value);
    }
    let mesh = builder.start().await;
    mesh.signal("service-g", Signal::STOP);

    let gateway = mesh.url("").trim_start_matches("http://").to_owned();
    let hops = ["service-a", "service-b", "service-e"].map(|hop| mesh.address(hop));
    let (rest, grpc, a, b, e) =
        tokio::join!(get(&mesh), call(&gateway), call(&hops[0]), call(&hops[1]), call(&hops[2]));
    assert_eq!((rest.status.as_u16(), rest.error().code), (504, 4), "{}", rest.text());
    assert_eq!(rest.error().message, "service-a/service-b/service-e/service-g: deadline passed");
    assert_late(&grpc, "service-a/service-b/service-e/service-g: deadline passed");
    assert_late(&a, "service-b/service-e/service-g: deadline passed");
    assert_late(&b, "service-e/service-g: deadline passed");
    assert_late(&e, "service-g: deadline passed");

    let id = rest.header("traceresponse").split('-').nth(1).expect("a trace").to_owned();
    for (service, kind, error) in [
        (
            "gateway",
            "SERVER",
            "504 Gateway Timeout: service-a/service-b/service-e/service-g: deadline passed",
        ),
        ("service-a", "SERVER", "DeadlineExceeded: service-b/service-e/service-g: deadline passed"),
        ("service-b", "SERVER", "DeadlineExceeded: service-e/service-g: deadline passed"),
        ("service-e", "SERVER", "DeadlineExceeded: service-g: deadline passed"),
    ] {
        let is_span = |span: &Value| {
            span["traceId"] == id && span["localEndpoint"]["serviceName"] == service && span["kind"] == kind
        };
        let arrives = format!("a span of {service} arrives");
        let found = eventually(&arrives, async || zipkin.spans().into_iter().find(is_span)).await;
        assert_eq!(found["tags"]["error"], error);
    }
    mesh.signal("service-g", Signal::CONT);
    Client::new().get(&mesh.url("/api/greeting")).await.answer().expect("a valid answer");
    mesh.end().await;
}

#[tokio::test]
async fn all_services_that_are_late_together_are_named() {
    let mesh = Mesh::start().await;
    for frozen in ["service-c", "service-d", "service-g", "service-h"] {
        mesh.signal(frozen, Signal::STOP);
    }
    let reply = get(&mesh).await;
    assert_eq!(
        (reply.status.as_u16(), reply.error().message.as_str()),
        (
            504,
            "service-a/service-b/service-d, service-a/service-b/service-e/service-g, \
             service-a/service-b/service-e/service-h, service-a/service-c: deadline passed"
        )
    );
    mesh.end().await;
}

#[tokio::test]
async fn a_frozen_entry_is_named_by_the_gateway_and_a_frozen_middle_by_its_caller() {
    let mesh = Mesh::start().await;
    mesh.signal("service-b", Signal::STOP);
    assert_eq!(get(&mesh).await.error().message, "service-a/service-b: deadline passed");
    mesh.signal("service-a", Signal::STOP);
    assert_eq!(get(&mesh).await.error().message, "service-a: deadline passed");
    mesh.end().await;
}

#[tokio::test]
async fn a_partial_answer_names_the_frozen_leaf_as_missing() {
    let mesh = Mesh::builder().with("FAILURE_POLICY", "partial").start().await;
    mesh.signal("service-g", Signal::STOP);
    let reply = get(&mesh).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        reply.header("grpc-metadata-octet-missing"),
        "service-b/service-e/service-g=DEADLINE_EXCEEDED"
    );
    let answer: client::Answer = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(answer.greeting.len(), 6);
    mesh.end().await;
}
