//! Services that are frozen: connections stand, and nothing responds. The deadline that passes names them at every hop.

use http_body_util::Full;
use hyper::{Request, StatusCode};
use octet_testbed::eventually;
use rustix::process::Signal;
use serde_json::Value;
use tonic::Code;

use crate::{
    client::{self, Client, Reply},
    platform::Mesh,
    zipkin::Zipkin,
};

/// Long enough for the longest reserve of each hop, as a busy machine needs it.
const TIMEOUT: &str = "9S";

/// On a busy machine a hop may miss its reserve. Its caller then names the hop instead: a shorter path, and still true.
const ATTEMPTS: usize = 4;

async fn get(mesh: &Mesh) -> Reply {
    let request = Request::get(mesh.url("/api/greeting")).header("grpc-timeout", TIMEOUT);
    Client::new().send(request.body(Full::default()).expect("a request")).await.expect("a response")
}

/// The code and message of a failed REST call.
fn rest(reply: &Reply) -> (Code, String) {
    let error = reply.error();
    (Code::from_i32(error.code), error.message)
}

async fn grpc(address: &str) -> ((Code, String), ()) {
    (Client::http2().grpc_outcome(address, TIMEOUT).await, ())
}

/// Calls until the message has all of `paths`. Every message names services on one of them: also that of a later call, for
/// which the connection to a frozen service is given up.
async fn names<T>(paths: &[&str], mut call: impl AsyncFnMut() -> ((Code, String), T)) -> T {
    let whole = (Code::DeadlineExceeded, format!("{}: deadline passed", paths.join(", ")));
    let mut outcomes = Vec::new();
    while outcomes.len() < ATTEMPTS {
        let (outcome, with) = call().await;
        if outcome == whole {
            return with;
        }
        let (named, _) = outcome.1.split_once(": ").unwrap_or_else(|| panic!("{outcome:?}"));
        for path in named.split(", ") {
            let leads_to = |whole: &&str| {
                whole.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            assert!(paths.iter().any(leads_to), "{outcome:?}");
        }
        outcomes.push(outcome);
    }
    panic!("{whole:?} is not among {outcomes:?}");
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
    let whole = ["service-a/service-b/service-e/service-g"];
    let (failed, (), (), (), ()) = tokio::join!(
        names(&whole, async || {
            let reply = get(&mesh).await;
            (rest(&reply), reply)
        }),
        names(&whole, async || grpc(&gateway).await),
        names(&["service-b/service-e/service-g"], async || grpc(&hops[0]).await),
        names(&["service-e/service-g"], async || grpc(&hops[1]).await),
        names(&["service-g"], async || grpc(&hops[2]).await),
    );

    assert_eq!(failed.status, StatusCode::GATEWAY_TIMEOUT);
    let id = failed.header("traceresponse").split('-').nth(1).expect("a trace").to_owned();
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
    Client::new().becomes(&mesh.url("/api/greeting"), StatusCode::OK).await;
    mesh.end().await;
}

#[tokio::test]
async fn all_services_that_are_late_together_are_named() {
    let mesh = Mesh::start().await;
    for frozen in ["service-c", "service-d", "service-g", "service-h"] {
        mesh.signal(frozen, Signal::STOP);
    }
    let paths = [
        "service-a/service-b/service-d",
        "service-a/service-b/service-e/service-g",
        "service-a/service-b/service-e/service-h",
        "service-a/service-c",
    ];
    names(&paths, async || (rest(&get(&mesh).await), ())).await;
    mesh.end().await;
}

#[tokio::test]
async fn a_frozen_entry_is_named_by_the_gateway_and_a_frozen_middle_by_its_caller() {
    let mesh = Mesh::start().await;
    mesh.signal("service-b", Signal::STOP);
    names(&["service-a/service-b"], async || (rest(&get(&mesh).await), ())).await;
    mesh.signal("service-a", Signal::STOP);
    names(&["service-a"], async || (rest(&get(&mesh).await), ())).await;
    mesh.end().await;
}

#[tokio::test]
async fn a_partial_answer_names_the_frozen_leaf_as_missing() {
    let mesh = Mesh::builder().with("FAILURE_POLICY", "partial").start().await;
    mesh.signal("service-g", Signal::STOP);
    let mut reply = get(&mesh).await;
    for _ in 1..ATTEMPTS {
        if reply.header("grpc-metadata-octet-missing") == "service-b/service-e/service-g=DEADLINE_EXCEEDED" {
            break;
        }
        reply = get(&mesh).await;
    }
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        reply.header("grpc-metadata-octet-missing"),
        "service-b/service-e/service-g=DEADLINE_EXCEEDED"
    );
    let answer: client::Answer = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(answer.greeting.len(), 6);
    mesh.end().await;
}
