//! Deadlines and cancellation across hops, with a leaf that never returns.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::Request;
use octet_proto::greeting::v3::GreetingRequest;
use tokio::task::JoinSet;
use tonic::Code;

use crate::{
    client::{self, Client},
    platform::{Mesh, PATIENCE},
    process::Process,
    stub::{Behaviour, Stub},
};

#[tokio::test]
async fn a_deadline_ends_the_call_at_every_hop_and_cancels_the_leaf() {
    let mut leaf = Stub::start(Behaviour::Hangs).await;
    let mesh = Mesh::builder().with("SERVICE_G_URL", leaf.address.to_string()).start().await;

    let started = Instant::now();
    let request = Request::get(mesh.url("/api/greeting")).header("grpc-timeout", "2S");
    let reply =
        Client::new().send(request.body(Full::default()).expect("a request")).await.expect("a response");
    assert_eq!((reply.status.as_u16(), reply.error().code), (504, 4), "{}", reply.text());
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "before the default deadline: {:?}",
        started.elapsed()
    );
    leaf.cancelled(1).await;

    for (calls, hop) in [(2, "service-a"), (3, "service-b"), (4, "service-e")] {
        assert_eq!(
            Client::http2().grpc_status(&mesh.address(hop), "2S").await,
            Code::DeadlineExceeded,
            "{hop}"
        );
        leaf.cancelled(calls).await;
    }
    for hop in ["service-a", "service-b", "service-e"] {
        mesh.logs(hop, r#""code":"DEADLINE_EXCEEDED""#).await;
    }
    mesh.end().await;
}

#[tokio::test]
async fn the_timeout_shrinks_from_hop_to_hop() {
    let leaf = Stub::start(Behaviour::Echoes).await;
    let mesh = Mesh::builder().with("SERVICE_G_URL", leaf.address.to_string()).start().await;
    Client::new().get(&mesh.url("/api/greeting")).await;

    let timeout = leaf.last().get("grpc-timeout").expect("a deadline").to_str().expect("text").to_owned();
    let micros: u64 = timeout.strip_suffix('u').expect("microseconds").parse().expect("a number");
    assert!((1_000_000..5_000_000).contains(&micros), "{timeout}");
    mesh.end().await;
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_the_whole_tree() {
    let mut leaf = Stub::start(Behaviour::Hangs).await;
    let mesh = Mesh::builder().with("SERVICE_G_URL", leaf.address.to_string()).start().await;

    let url = mesh.url("/api/greeting");
    let call = tokio::spawn(async move { Client::new().get(&url).await.status });
    leaf.called(1).await;
    call.abort();
    let started = Instant::now();
    leaf.cancelled(1).await;
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "before the deadline of 5 s: {:?}",
        started.elapsed()
    );
    mesh.end().await;
}

/// The HTTP/2 implementation closes a connection after 1,024 late frames of cancelled calls by default, and
/// fails every call on it.
#[tokio::test]
async fn responses_of_thousands_of_cancelled_calls_end_no_connection() {
    const EXPIRED: usize = 10_000;
    const USERS: usize = 30;
    let leaf = Stub::start(Behaviour::ReturnsAtDeadline).await;
    let address = leaf.address.to_string();
    // Its log is not read, and must not fill the pipe.
    let log = "off,octet_runtime::process=info";
    let environment =
        [("SERVICE_G_URL", address.as_str()), ("SERVICE_H_URL", address.as_str()), ("LOG_LEVEL", log)];
    let service = Process::start(&["service", "service-e"], &environment).await;

    let expired = Arc::<AtomicUsize>::default();
    let expiring: JoinSet<()> = (0..USERS)
        .map(|_| {
            let (caller, address, expired) = (Client::http2(), service.address.clone(), expired.clone());
            async move {
                loop {
                    if caller.grpc_status(&address, "30m").await == Code::DeadlineExceeded {
                        expired.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        })
        .collect();
    let mut honest = client::grpc(&service.address);
    let (started, mut calls) = (Instant::now(), 0);
    while expired.load(Ordering::Relaxed) < EXPIRED {
        let after = expired.load(Ordering::Relaxed);
        let outcome = honest.greeting(GreetingRequest::default()).await;
        assert!(outcome.is_ok(), "after {calls} calls and {after} expired ones: {outcome:?}");
        calls += 1;
        assert!(started.elapsed() < 10 * PATIENCE, "only {after} calls have expired");
    }
    drop(expiring);
}

#[tokio::test]
async fn a_malformed_timeout_is_refused_with_what_is_allowed() {
    let mesh = Mesh::start().await;
    let request = Request::get(mesh.url("/api/greeting")).header("grpc-timeout", "soon");
    let reply =
        Client::new().send(request.body(Full::default()).expect("a request")).await.expect("a response");
    assert_eq!((reply.status.as_u16(), reply.error().code), (400, 3));
    assert!(reply.error().message.contains("grpc-timeout must be"), "{}", reply.text());

    let mut request = tonic::Request::new(GreetingRequest::default());
    request.metadata_mut().insert("grpc-timeout", "soon".parse().expect("ASCII"));
    let status = client::grpc(&mesh.address("service-c")).greeting(request).await.expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    mesh.end().await;
}
