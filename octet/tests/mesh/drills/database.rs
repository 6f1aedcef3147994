//! The database dies: calls that store fail, messages wait, and none is dead-lettered.

use std::time::Instant;

use octet_proto::greeting::v3::GreetingRequest;
use tonic::Code;

use super::{
    RECOVERY_OF_A_SERVER, USERS, assert_failed_only_with, conclude, recovers, requests_around_a_fault, rounds,
};
use crate::{
    client::{Client, grpc},
    load::Load,
    servers::Servers,
};

/// So many failed inserts that each delivery of F, up to 100, was tried several times.
const FAILED_INSERTS: u32 = 500;

#[tokio::test]
async fn a_dead_database_fails_calls_at_once_and_loses_no_document() {
    for _ in 0..rounds() {
        let mut servers = Servers::start().await;
        let mesh = servers.mesh().await;
        let pids = mesh.pids();
        let load = Load::until_stopped(&mesh, USERS);
        load.reaches(requests_around_a_fault()).await;
        servers.database.kill();
        load.continues_for(requests_around_a_fault()).await;
        let readiness = Client::new().get(&mesh.admin("service-c", "/readyz")).await;
        assert_eq!(readiness.status, 503);
        assert!(readiness.text().starts_with("store: "), "{}", readiness.text());

        servers.database.restart().await;
        let recovery = recovers(&mesh).await;
        load.continues_for(requests_around_a_fault()).await;
        let report = load.stop().await;
        assert_failed_only_with(&report, &[(503, Code::Unavailable), (504, Code::DeadlineExceeded)]);
        assert_eq!(mesh.pids(), pids, "no process was restarted");
        assert_eq!(mesh.queue().await.depth().await.expect("readable").dead_lettered, 0);
        conclude("kill -9 the database", &mesh, &report, recovery).await;
        mesh.end().await;
    }
}

#[tokio::test]
async fn an_outage_of_the_database_dead_letters_nothing() {
    for _ in 0..rounds() {
        let mut servers = Servers::start().await;
        let mesh = servers.mesh().await;
        let pids = mesh.pids();
        servers.database.kill();
        // D needs no database: it keeps publishing, and F keeps receiving.
        let mut d = grpc(&mesh.address("service-d"));
        let mut ids = Vec::new();
        for _ in 0..requests_around_a_fault() {
            let answer = d.greeting(GreetingRequest::default()).await.expect("D needs no database");
            ids.extend(answer.into_inner().greeting.into_iter().map(|greeting| greeting.id));
        }
        mesh.metric_reaches(
            "service-f",
            r#"octet_store_inserts_total{outcome="unavailable"}"#,
            FAILED_INSERTS,
        )
        .await;
        assert_eq!(mesh.queue().await.depth().await.expect("readable").dead_lettered, 0);

        servers.database.restart().await;
        let documents = mesh.documents("service-f").await;
        let restarted = Instant::now();
        documents.contain(&ids).await;
        assert!(restarted.elapsed() < 2 * RECOVERY_OF_A_SERVER, "{:?}", restarted.elapsed());
        documents.reach(ids.len() as u64).await;
        assert_eq!(mesh.queue().await.depth().await.expect("readable").dead_lettered, 0);
        assert_eq!(mesh.pids(), pids, "no process was restarted");
        mesh.end().await;
    }
}
