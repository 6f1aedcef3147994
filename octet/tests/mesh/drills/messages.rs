//! Faults of messages between D and F, on the embedded queue and on RabbitMQ.

use std::time::{Duration, Instant};

use octet_backends::queue::{Message, PublishError};
use octet_testbed::eventually;
use rustix::process::Signal;
use serde_json::json;
use tonic::Code;
use uuid::Uuid;

use super::{USERS, assert_failed_only_with, conclude, recovers, requests_around_a_fault, rounds};
use crate::{load::Load, platform::Mesh, servers::Servers};

/// Runs each test on both.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test]
            async fn $test() {
                for _ in 0..super::rounds() {
                    super::$test(super::Mesh::start().await).await;
                }
            })+
        }
        mod on_servers {
            $(#[tokio::test]
            async fn $test() {
                for _ in 0..super::rounds() {
                    let servers = super::Servers::start().await;
                    super::$test(servers.mesh().await).await;
                }
            })+
        }
    };
}

on_both! {
    a_consumer_killed_within_a_batch_loses_no_message,
    a_publisher_killed_under_load_loses_no_message,
    messages_wait_for_a_stopped_consumer,
    poison_is_dead_lettered_with_its_reason_and_later_messages_are_stored,
    a_message_published_twice_is_one_document,
}

async fn a_consumer_killed_within_a_batch_loses_no_message(mut mesh: Mesh) {
    let load = Load::until_stopped(&mesh, USERS);
    // Stopped first, so that it has a full batch when it continues and is killed at a random moment.
    mesh.signal("service-f", Signal::STOP);
    load.reaches(requests_around_a_fault()).await;
    mesh.signal("service-f", Signal::CONT);
    tokio::time::sleep(Duration::from_millis(u64::from(fastrand::u8(1..30)))).await;
    mesh.kill("service-f");
    mesh.prints("service-f was killed by signal 9").await;
    let recovery = recovers(&mesh).await;
    load.continues_for(requests_around_a_fault()).await;

    let report = load.stop().await;
    assert_failed_only_with(&report, &[]);
    conclude("kill -9 F within a batch", &mesh, &report, recovery).await;
    mesh.end().await;
}

async fn a_publisher_killed_under_load_loses_no_message(mut mesh: Mesh) {
    let load = Load::until_stopped(&mesh, USERS);
    load.reaches(requests_around_a_fault()).await;
    mesh.kill("service-d");
    mesh.prints("service-d was killed by signal 9").await;
    let recovery = recovers(&mesh).await;
    load.continues_for(requests_around_a_fault()).await;

    let report = load.stop().await;
    assert_failed_only_with(&report, &[(503, Code::Unavailable)]);
    conclude("kill -9 D under load", &mesh, &report, recovery).await;
    mesh.end().await;
}

async fn messages_wait_for_a_stopped_consumer(mesh: Mesh) {
    let pids = mesh.pids();
    let load = Load::until_stopped(&mesh, USERS);
    load.reaches(100).await;
    mesh.signal("service-f", Signal::STOP);
    let stopped = Instant::now();
    load.continues_for(requests_around_a_fault()).await;
    // Longer than the lease.
    tokio::time::sleep(Duration::from_secs(6).saturating_sub(stopped.elapsed())).await;
    let depth = mesh.queue().await.depth().await.expect("readable");
    assert!(depth.ready > 0, "messages wait: {depth:?}");
    mesh.signal("service-f", Signal::CONT);
    let recovery = recovers(&mesh).await;

    let report = load.stop().await;
    assert_failed_only_with(&report, &[]);
    assert_eq!(mesh.pids(), pids, "no process was restarted");
    conclude("SIGSTOP F for 6 s", &mesh, &report, recovery).await;
    mesh.end().await;
}

async fn poison_is_dead_lettered_with_its_reason_and_later_messages_are_stored(mesh: Mesh) {
    let poison = Uuid::new_v4().to_string();
    let publisher = mesh.publisher().await;
    let message = Message { id: poison.clone(), headers: vec![], body: b"{\"id\": 7".to_vec() };
    publishes(&publisher, message).await;
    let load = Load::start(&mesh, USERS, requests_around_a_fault() / USERS);
    let report = load.finish().await;
    assert_failed_only_with(&report, &[]);
    let recovery = recovers(&mesh).await;

    mesh.documents("service-f").await.contain(&report.ids("service-d")).await;
    let letters = mesh.queue().await.dead_letters(10).await.expect("readable");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].id, poison);
    assert!(letters[0].reason.starts_with("not a greeting in JSON: "), "{letters:?}");
    conclude("a poison message", &mesh, &report, recovery).await;
    mesh.end().await;
}

async fn a_message_published_twice_is_one_document(mesh: Mesh) {
    let id = Uuid::new_v4().to_string();
    let greeting = json!({
        "id": id, "service": "service-d", "message": "Shalom", "created": "2026-01-02T03:04:05Z", "hostname": "h"
    });
    let publisher = mesh.publisher().await;
    let documents = mesh.documents("service-f").await;
    for _ in 0..2 {
        let message = Message { id: id.clone(), headers: vec![], body: greeting.to_string().into_bytes() };
        publishes(&publisher, message).await;
        // The embedded queue accepts no second message with an id while the first is queued.
        documents.contain(std::slice::from_ref(&id)).await;
    }
    let report = Load::start(&mesh, USERS, 4).finish().await;
    assert_failed_only_with(&report, &[]);
    documents.reach(1 + report.answers.len() as u64).await;
    assert_eq!(mesh.queue().await.depth().await.expect("readable").dead_lettered, 0);
    mesh.end().await;
}

/// Publishes once the publisher has connected.
async fn publishes(publisher: &std::sync::Arc<dyn octet_backends::queue::Publisher>, message: Message) {
    eventually("the message is published", async || {
        let published = publisher.publish(message.clone()).await;
        assert!(published.as_ref().err().is_none_or(PublishError::is_retryable), "{published:?}");
        published
    })
    .await;
}
