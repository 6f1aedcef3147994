//! The drain of a process, observed from outside: readiness, pause, listeners, calls in flight, consumer, exit.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use octet_backends::{
    inspect::QueueInspect,
    sqlite::{SqliteQueueInspect, SqliteQueueSettings},
};
use octet_proto::greeting::v3::GreetingRequest;
use octet_testbed::eventually;
use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::{
    client::{self, Client},
    load::Load,
    platform::{Mesh, PATIENCE},
    process::Process,
    stub::{Behaviour, Stub},
};

/// Service E with upstreams that return when the test lets them.
async fn waiting_service(pause: &str, grace: &str) -> (Process, Stub) {
    let leaf = Stub::start(Behaviour::Waits).await;
    let address = leaf.address.to_string();
    let environment = [
        ("SERVICE_G_URL", address.as_str()),
        ("SERVICE_H_URL", address.as_str()),
        ("DRAIN_PAUSE", pause),
        ("DRAIN_GRACE", grace),
    ];
    (Process::start(&["service", "service-e"], &environment).await, leaf)
}

#[tokio::test]
async fn readiness_fails_first_then_listeners_close_then_calls_in_flight_finish() {
    let pause = Duration::from_secs(3);
    let (mut service, leaf) = waiting_service("3s", "10s").await;
    let mut caller = client::grpc(&service.address);
    let mut on_the_same_connection = caller.clone();
    let in_flight = tokio::spawn(async move { caller.greeting(GreetingRequest::default()).await });
    leaf.called(2).await;

    let client = Client::new();
    let started = Instant::now();
    service.signal(Signal::TERM);
    client.becomes(&format!("http://{}/readyz", service.admin), StatusCode::SERVICE_UNAVAILABLE).await;
    // During the pause new connections and new calls are still accepted.
    assert!(started.elapsed() < pause, "readiness fails before the pause is over: {:?}", started.elapsed());
    TcpStream::connect(&service.address).await.expect("still listening");
    let during_the_pause =
        tokio::spawn(async move { on_the_same_connection.greeting(GreetingRequest::default()).await });
    leaf.called(4).await;

    eventually("the listener closes", async || TcpStream::connect(&service.address).await.is_err()).await;
    assert!(started.elapsed() >= pause, "the listener closes after the pause: {:?}", started.elapsed());
    assert!(!in_flight.is_finished() && !during_the_pause.is_finished());
    assert_eq!(client.get(&format!("http://{}/livez", service.admin)).await.status, 200);

    for _ in 0..4 {
        leaf.release();
    }
    for call in [in_flight, during_the_pause] {
        let answer = call.await.expect("no panic").expect("a call in flight finishes").into_inner();
        assert_eq!(answer.greeting[0].service, "service-e");
    }
    service.logs("drained").await;
    assert!(service.ended().await.success());
}

#[tokio::test]
async fn the_grace_period_bounds_the_wait_for_calls_in_flight() {
    let (mut service, mut leaf) = waiting_service("0s", "300ms").await;
    let mut caller = client::grpc(&service.address);
    let mut call = tonic::Request::new(GreetingRequest::default());
    call.set_timeout(10 * PATIENCE);
    let in_flight = tokio::spawn(async move { caller.greeting(call).await });
    leaf.called(2).await;

    let started = Instant::now();
    service.signal(Signal::TERM);
    service.logs("grace period expired; closing connections").await;
    assert!(service.ended().await.success());
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
    in_flight.await.expect("no panic").expect_err("cancelled");
    leaf.cancelled(2).await;
}

#[tokio::test]
async fn an_unread_stdout_does_not_delay_the_exit() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = format!("sqlite:{}", directory.path().display());
    let environment = [("DRAIN_PAUSE", "0s"), ("STORE_URL", store.as_str())];
    let mut service = Process::start(&["service", "service-c"], &environment).await;
    // More lines than fit into a pipe (64 KiB), and fewer than the log may buffer.
    let mut caller = client::grpc(&service.address);
    for _ in 0..500 {
        caller.greeting(GreetingRequest::default()).await.expect("greets");
    }
    service.signal(Signal::TERM);
    assert!(service.ended().await.success());
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    let (mut service, leaf) = waiting_service("1m", "1m").await;
    let mut caller = client::grpc(&service.address);
    let _in_flight = tokio::spawn(async move { caller.greeting(GreetingRequest::default()).await });
    leaf.called(2).await;

    // It exits before the pause is over, or `ended` fails.
    service.signal(Signal::TERM);
    service.logs("draining").await;
    service.signal(Signal::INT);
    service.ended().await;
}

#[tokio::test]
async fn a_draining_consumer_settles_or_returns_its_messages() {
    let mesh = Mesh::start().await;
    let load = Load::start(&mesh, 10, 100);
    load.reaches(300).await;
    let pid = mesh.pid("service-f").expect("running");
    rustix::process::kill_process(pid, Signal::TERM).expect("signalled");
    crate::platform::all_ended(&[pid]).await;

    let report = load.finish().await;
    report.assert_all_valid();
    assert_eq!(report.failures(), [].into());
    mesh.documents("service-f").await.contain(&report.ids("service-d")).await;
    let settings = SqliteQueueSettings::new(mesh.data().join("queue"), "service-d.greeting");
    let depth = SqliteQueueInspect::new(&settings).depth().await.expect("readable");
    assert_eq!((depth.dead_lettered, depth.redelivered), (0, 0), "{depth:?}");
    mesh.end().await;
}
