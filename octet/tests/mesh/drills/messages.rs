//! What may happen to messages between D and F, on the embedded queue and on RabbitMQ alike.

use std::time::{Duration, Instant};

use octet_backends::queue::Message;
use rustix::process::Signal;
use serde_json::json;
use tonic::Code;
use uuid::Uuid;

use super::{USERS, assert_failed_only_with, conclude, recovers, requests_around_a_fault, rounds};
use crate::{
    load::Load,
    platform::{Mesh, PATIENCE},
    servers::Servers,
};

/// The same story on both kinds of ground.
macro_rules! on_both {
    ($($story:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test]
            async fn $story() {
                for _ in 0..super::rounds() {
                    super::$story(super::Mesh::start().await).await;
                }
            })+
        }
        mod on_servers {
            $(#[tokio::test]
            async fn $story() {
                for _ in 0..super::rounds() {
                    let servers = super::Servers::start().await;
                    super::$story(servers.mesh().await).await;
                }
            })+
        }
    };
}

on_both! {
    a_consumer_that_dies_in_the_middle_of_a_batch_loses_no_message,
    a_publisher_that_dies_in_the_middle_of_publishing_loses_no_message,
    messages_wait_for_a_consumer_that_stands_still,
    poison_is_dead_lettered_with_its_reason_and_those_behind_it_go_on,
    a_message_that_comes_twice_is_one_document,
}

async fn a_consumer_that_dies_in_the_middle_of_a_batch_loses_no_message(mut mesh: Mesh) {
    let load = Load::until_stopped(&mesh, USERS);
    // Held back, so that it has its hands full when it goes on, and is killed at some moment of that.
    mesh.signal("service-f", Signal::STOP);
    load.reaches(requests_around_a_fault()).await;
    mesh.signal("service-f", Signal::CONT);
    tokio::time::sleep(Duration::from_millis(u64::from(fastrand::u8(1..30)))).await;
    mesh.kill("service-f");
    mesh.says("service-f was ended by signal 9").await;
    let recovery = recovers(&mesh).await;
    load.goes_on_for(requests_around_a_fault()).await;

    let report = load.stop().await;
    assert_failed_only_with(&report, &[]);
    conclude("kill -9 F in the middle of a batch", &mesh, &report, recovery).await;
    mesh.end().await;
}

async fn a_publisher_that_dies_in_the_middle_of_publishing_loses_no_message(mut mesh: Mesh) {
    let load = Load::until_stopped(&mesh, USERS);
    load.reaches(requests_around_a_fault()).await;
    mesh.kill("service-d");
    mesh.says("service-d was ended by signal 9").await;
    let recovery = recovers(&mesh).await;
    load.goes_on_for(requests_around_a_fault()).await;

    let report = load.stop().await;
    assert_failed_only_with(&report, &[(503, Code::Unavailable)]);
    conclude("kill -9 D in the middle of publishing", &mesh, &report, recovery).await;
    mesh.end().await;
}

async fn messages_wait_for_a_consumer_that_stands_still(mesh: Mesh) {
    let pids = mesh.pids();
    let load = Load::until_stopped(&mesh, USERS);
    load.reaches(100).await;
    mesh.signal("service-f", Signal::STOP);
    let stopped = Instant::now();
    load.goes_on_for(requests_around_a_fault()).await;
    // Beyond the lease and the broker's patience with a silent consumer.
    tokio::time::sleep(Duration::from_secs(6).saturating_sub(stopped.elapsed())).await;
    let depth = mesh.queue().await.depth().await.expect("readable");
    assert!(depth.ready > 0, "messages wait: {depth:?}");
    mesh.signal("service-f", Signal::CONT);
    let recovery = recovers(&mesh).await;

    let report = load.stop().await;
    assert_failed_only_with(&report, &[]);
    assert_eq!(mesh.pids(), pids, "no process was restarted");
    conclude("F stands still for 6 s", &mesh, &report, recovery).await;
    mesh.end().await;
}

async fn poison_is_dead_lettered_with_its_reason_and_those_behind_it_go_on(mesh: Mesh) {
    let poison = Uuid::new_v4().to_string();
    let publisher = mesh.publisher().await;
    let message = Message { id: poison.clone(), headers: vec![], body: b"{\"id\": 7".to_vec() };
    publishes(&publisher, message).await;
    let load = Load::begin(&mesh, USERS, requests_around_a_fault() / USERS);
    let report = load.finish().await;
    assert_failed_only_with(&report, &[]);
    let recovery = recovers(&mesh).await;

    mesh.documents("service-f").await.hold(&report.ids("service-d"), PATIENCE).await;
    let letters = mesh.queue().await.dead_letters(10).await.expect("readable");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].id, poison);
    assert!(letters[0].reason.starts_with("not a greeting in JSON: "), "{letters:?}");
    conclude("a poison message", &mesh, &report, recovery).await;
    mesh.end().await;
}

async fn a_message_that_comes_twice_is_one_document(mesh: Mesh) {
    let id = Uuid::new_v4().to_string();
    let greeting = json!({
        "id": id, "service": "service-d", "message": "Shalom", "created": "2026-01-02T03:04:05Z", "hostname": "h"
    });
    let publisher = mesh.publisher().await;
    let documents = mesh.documents("service-f").await;
    for _ in 0..2 {
        let message = Message { id: id.clone(), headers: vec![], body: greeting.to_string().into_bytes() };
        publishes(&publisher, message).await;
        // The embedded queue takes no second message of an id while the first is queued.
        documents.hold(std::slice::from_ref(&id), PATIENCE).await;
    }
    let report = Load::begin(&mesh, USERS, 4).finish().await;
    assert_failed_only_with(&report, &[]);
    documents.come_to(1 + report.answers.len() as u64).await;
    assert_eq!(mesh.queue().await.depth().await.expect("readable").dead_lettered, 0);
    mesh.end().await;
}

/// A publisher that has just been opened may still be on its way to the broker.
async fn publishes(publisher: &std::sync::Arc<dyn octet_backends::queue::Publisher>, message: Message) {
    let begun = Instant::now();
    while let Err(error) = publisher.publish(message.clone()).await {
        assert!(error.is_retryable() && begun.elapsed() < PATIENCE, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
