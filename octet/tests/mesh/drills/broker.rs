//! RabbitMQ dies, freezes, or is full: calls that need it fail truthfully and in time, the others go on, and what
//! was answered is there.

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

/// The deadline that the gateway starts, and a little for a busy machine.
const IN_TIME: Duration = Duration::from_millis(5_500);

/// C and E need no broker, and answer as ever when they are called directly.
async fn assert_those_who_need_no_broker_answer(mesh: &Mesh) {
    for service in ["service-c", "service-e"] {
        let begun = Instant::now();
        let answer = grpc(&mesh.address(service)).greeting(GreetingRequest::default()).await;
        assert!(answer.is_ok(), "{service}: {answer:?}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{service}: {:?}", begun.elapsed());
    }
}

/// D, and the gateway whose request comes to D, fail with one of `codes` within their deadline.
async fn assert_those_who_need_it_fail_in_time(mesh: &Mesh, codes: &[Code]) {
    let begun = Instant::now();
    let refusal = grpc(&mesh.address("service-d"))
        .greeting(GreetingRequest::default())
        .await
        .expect_err("D has no broker");
    assert!(codes.contains(&refusal.code()), "{refusal:?}");
    assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());

    let begun = Instant::now();
    let reply = Client::new().get(&mesh.url("/api/greeting")).await;
    let code = Code::from(reply.error().code);
    assert!(codes.contains(&code), "{}", reply.text());
    assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_broker_that_dies_fails_calls_at_once_and_loses_no_message() {
    for _ in 0..rounds() {
        let mut servers = Servers::start().await;
        let mesh = servers.mesh().await;
        let pids = mesh.pids();
        let load = Load::until_stopped(&mesh, USERS);
        load.reaches(requests_around_a_fault()).await;
        servers.broker.kill();
        load.goes_on_for(requests_around_a_fault()).await;
        assert_those_who_need_it_fail_in_time(&mesh, &[Code::Unavailable]).await;
        assert_those_who_need_no_broker_answer(&mesh).await;
        let readiness = Client::new().get(&mesh.admin("service-d", "/readyz")).await;
        assert_eq!(readiness.status, 503);
        assert!(readiness.text().starts_with("queue: "), "{}", readiness.text());

        servers.broker.restart().await;
        let recovery = recovers(&mesh).await;
        load.goes_on_for(requests_around_a_fault()).await;
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
            assert_those_who_need_it_fail_in_time(&mesh, &[Code::Unavailable, Code::DeadlineExceeded]).await;
            assert_those_who_need_no_broker_answer(&mesh).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        servers.broker.thaw();
        let recovery = recovers(&mesh).await;
        load.goes_on_for(requests_around_a_fault()).await;
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
        // Nobody takes from the queue any more, so that it fills up.
        mesh.signal("service-f", Signal::STOP);
        load.goes_on_for(2 * requests_around_a_fault()).await;
        let reply = Client::new().get(&mesh.url("/api/greeting")).await;
        assert_eq!(reply.status, 503, "{}", reply.text());
        assert_eq!(reply.error().message, "service-b/service-d: the queue is unavailable");
        assert_those_who_need_no_broker_answer(&mesh).await;
        mesh.logs("service-d", "full").await;

        mesh.signal("service-f", Signal::CONT);
        let recovery = recovers(&mesh).await;
        let ((), _) = tokio::join!(
            load.goes_on_for(requests_around_a_fault()),
            servers.broker.ctl(&["clear_policy", "full"])
        );
        let report = load.stop().await;
        assert_failed_only_with(&report, &[(503, Code::Unavailable)]);
        assert_eq!(mesh.pids(), pids, "no process was restarted");
        conclude("a full queue", &mesh, &report, recovery).await;
        mesh.end().await;
    }
}
