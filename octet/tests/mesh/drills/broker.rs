//! RabbitMQ dies, freezes, or is full: calls that need it fail in time, the others continue, and no data is lost.

use std::time::{Duration, Instant};

use octet_proto::greeting::v3::GreetingRequest;
use rustix::process::Signal;
use tonic::Code;

use super::{USERS, assert_failed_only_with, conclude, recovers, requests_around_a_fault, rounds};
use crate::{
    client::{Client, grpc},
    load::Load,
    platform::Mesh,
    servers::{QUEUE, Servers},
};

/// The default deadline of 5 s, and time for a busy machine; less than the broker stays frozen.
const IN_TIME: Duration = Duration::from_secs(8);

/// C and E need no broker, and respond as usual when they are called directly.
async fn assert_services_without_broker_respond(mesh: &Mesh) {
    for service in ["service-c", "service-e"] {
        let started = Instant::now();
        let answer = grpc(&mesh.address(service)).greeting(GreetingRequest::default()).await;
        assert!(answer.is_ok(), "{service}: {answer:?}");
        assert!(started.elapsed() < Duration::from_secs(4), "{service}: {:?}", started.elapsed());
    }
}

/// Calls of D, and of the gateway, which depends on D, fail with one of `codes` within their deadline.
async fn assert_services_with_broker_fail_in_time(mesh: &Mesh, codes: &[Code]) {
    let started = Instant::now();
    let refusal = grpc(&mesh.address("service-d"))
        .greeting(GreetingRequest::default())
        .await
        .expect_err("D has no broker");
    assert!(codes.contains(&refusal.code()), "{refusal:?}");
    assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());

    let started = Instant::now();
    let reply = Client::new().get(&mesh.url("/api/greeting")).await;
    let code = Code::from(reply.error().code);
    assert!(codes.contains(&code), "{}", reply.text());
    assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_dead_broker_fails_calls_at_once_and_loses_no_message() {
    for _ in 0..rounds() {
        let mut servers = Servers::start().await;
        let mesh = servers.mesh().await;
        let pids = mesh.pids();
        let load = Load::until_stopped(&mesh, USERS);
        load.reaches(requests_around_a_fault()).await;
        servers.broker.kill();
        load.continues_for(requests_around_a_fault()).await;
        assert_services_with_broker_fail_in_time(&mesh, &[Code::Unavailable]).await;
        assert_services_without_broker_respond(&mesh).await;
        let readiness = Client::new().get(&mesh.admin("service-d", "/readyz")).await;
        assert_eq!(readiness.status, 503);
        assert!(readiness.text().starts_with("queue: "), "{}", readiness.text());

        servers.broker.restart().await;
        let recovery = recovers(&mesh).await;
        load.continues_for(requests_around_a_fault()).await;
        let report = load.stop().await;
        assert_failed_only_with(&report, &[(503, Code::Unavailable)]);
        assert_eq!(mesh.pids(), pids, "no process was restarted");
        conclude("kill -9 the broker", &mesh, &report, recovery).await;
        mesh.end().await;
    }
}

#[tokio::test]
async fn a_frozen_broker_holds_no_call_beyond_its_deadline() {
    for _ in 0..rounds() {
        let servers = Servers::start().await;
        let mesh = servers.mesh().await;
        let pids = mesh.pids();
        let load = Load::until_stopped(&mesh, USERS);
        load.reaches(requests_around_a_fault()).await;
        servers.broker.freeze();
        let frozen = Instant::now();
        while frozen.elapsed() < Duration::from_secs(10) {
            assert_services_with_broker_fail_in_time(&mesh, &[Code::Unavailable, Code::DeadlineExceeded])
                .await;
            assert_services_without_broker_respond(&mesh).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        servers.broker.thaw();
        let recovery = recovers(&mesh).await;
        load.continues_for(requests_around_a_fault()).await;
        let report = load.stop().await;
        assert_failed_only_with(&report, &[(503, Code::Unavailable), (504, Code::DeadlineExceeded)]);
        assert_eq!(mesh.pids(), pids, "no process was restarted");
        conclude("freeze the broker for 10 s", &mesh, &report, recovery).await;
        mesh.end().await;
    }
}

#[tokio::test]
async fn a_full_queue_refuses_calls_and_loses_no_message() {
    for _ in 0..rounds() {
        let servers = Servers::start().await;
        let mesh = servers.mesh().await;
        let pids = mesh.pids();
        let limit = ["set_policy", "full", QUEUE, r#"{"max-length":20}"#, "--apply-to", "queues"];
        servers.broker.ctl(&limit).await;
        let load = Load::until_stopped(&mesh, USERS);
        load.reaches(requests_around_a_fault()).await;
        // Without its consumer the queue fills up.
        mesh.signal("service-f", Signal::STOP);
        load.continues_for(2 * requests_around_a_fault()).await;
        let reply = Client::new().get(&mesh.url("/api/greeting")).await;
        assert_eq!(reply.status, 503, "{}", reply.text());
        assert_eq!(reply.error().message, "service-a/service-b/service-d: the queue is unavailable");
        assert_services_without_broker_respond(&mesh).await;
        mesh.logs("service-d", "full").await;

        mesh.signal("service-f", Signal::CONT);
        let recovery = recovers(&mesh).await;
        let ((), _) = tokio::join!(
            load.continues_for(requests_around_a_fault()),
            servers.broker.ctl(&["clear_policy", "full"])
        );
        let report = load.stop().await;
        assert_failed_only_with(&report, &[(503, Code::Unavailable)]);
        assert_eq!(mesh.pids(), pids, "no process was restarted");
        conclude("a full queue", &mesh, &report, recovery).await;
        mesh.end().await;
    }
}
