//! The end of a process, observed from outside: readiness, pause, listeners, calls in flight, consumer, exit.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use octet_backends::{
    inspect::QueueInspect,
    sqlite::{SqliteQueueInspect, SqliteQueueSettings},
};
use octet_proto::greeting::v3::GreetingRequest;
use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::{
    client::{self, Client},
    load::Load,
    platform::{Mesh, PATIENCE},
    process::Process,
    stub::{Behaviour, Stub},
};

/// E, whose upstreams answer when the test lets them.
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
    let (mut service, leaf) = waiting_service("400ms", "10s").await;
    let mut caller = client::grpc(&service.address);
    let mut on_the_same_connection = caller.clone();
    let in_flight = tokio::spawn(async move { caller.greeting(GreetingRequest::default()).await });
    leaf.called(2).await;

    let client = Client::new();
    let begun = Instant::now();
    service.signal(Signal::TERM);
    client.becomes(&format!("http://{}/readyz", service.admin), StatusCode::SERVICE_UNAVAILABLE).await;
    // The pause: new connections and new calls are still taken.
    assert!(begun.elapsed() < Duration::from_millis(400), "readiness fails at once: {:?}", begun.elapsed());
    TcpStream::connect(&service.address).await.expect("still listening");
    let during_the_pause =
        tokio::spawn(async move { on_the_same_connection.greeting(GreetingRequest::default()).await });
    leaf.called(4).await;

    while TcpStream::connect(&service.address).await.is_ok() {
        assert!(begun.elapsed() < PATIENCE, "the listener never closes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(400), "not before the pause: {:?}", begun.elapsed());
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
    let in_flight = tokio::spawn(async move { caller.greeting(GreetingRequest::default()).await });
    leaf.called(2).await;

    let begun = Instant::now();
    service.signal(Signal::TERM);
    service.logs("grace period expired; closing connections").await;
    assert!(service.ended().await.success());
    assert!((Duration::from_millis(300)..Duration::from_secs(3)).contains(&begun.elapsed()));
    in_flight.await.expect("no panic").expect_err("cut off");
    leaf.cancelled(2).await;
}

#[tokio::test]
async fn a_stdout_that_nobody_reads_does_not_hold_up_the_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = format!("sqlite:{}", directory.path().display());
    let environment = [("DRAIN_PAUSE", "0s"), ("STORE_URL", store.as_str())];
    let mut service = Process::start(&["service", "service-c"], &environment).await;
    // More lines than a pipe holds (64 KiB), and fewer than may wait.
    let mut caller = client::grpc(&service.address);
    for _ in 0..500 {
        caller.greeting(GreetingRequest::default()).await.expect("greets");
    }
    let begun = Instant::now();
    service.signal(Signal::TERM);
    assert!(service.ended().await.success());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let (mut service, leaf) = waiting_service("30s", "30s").await;
    let mut caller = client::grpc(&service.address);
    let _in_flight = tokio::spawn(async move { caller.greeting(GreetingRequest::default()).await });
    leaf.called(2).await;

    let begun = Instant::now();
    service.signal(Signal::TERM);
    service.logs("draining").await;
    service.signal(Signal::INT);
    service.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_consumer_that_drains_settles_what_it_holds_and_gives_back_the_rest() {
    let mesh = Mesh::start().await;
    let load = Load::begin(&mesh, 10, 100);
    load.reaches(300).await;
    let pid = mesh.pid("service-f").expect("it runs");
    rustix::process::kill_process(pid, Signal::TERM).expect("signalled");
    crate::platform::gone(&[pid], Duration::from_secs(10)).await;

    let report = load.finish().await;
    report.assert_none_wrong();
    assert_eq!(report.failures(), [].into());
    mesh.documents("service-f").await.hold(&report.ids("service-d"), Duration::from_secs(10)).await;
    let settings = SqliteQueueSettings::new(mesh.data().join("queue"), "service-d.greeting");
    let depth = SqliteQueueInspect::new(&settings).depth().await.expect("readable");
    assert_eq!((depth.dead_lettered, depth.redelivered), (0, 0), "{depth:?}");
    mesh.end().await;
}
