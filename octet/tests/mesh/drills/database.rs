//! The database dies: calls that store fail truthfully, messages wait, and nothing is dead-lettered.

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

/// Failed inserts after which each of the deliveries that F holds, at most 100, was tried several times.
const TRIES_IN_VAIN: u32 = 500;

#[tokio::test]
async fn a_database_that_dies_fails_calls_at_once_and_loses_no_document() {
    for _ in 0..rounds() {
        let mut servers = Servers::start().await;
        let mesh = servers.mesh().await;
        let pids = mesh.pids();
        let load = Load::until_stopped(&mesh, USERS);
        load.reaches(requests_around_a_fault()).await;
        servers.database.kill();
        load.goes_on_for(requests_around_a_fault()).await;
        let readiness = Client::new().get(&mesh.admin("service-c", "/readyz")).await;
        assert_eq!(readiness.status, 503);
        assert!(readiness.text().starts_with("store: "), "{}", readiness.text());

        servers.database.restart().await;
        let recovery = recovers(&mesh).await;
        load.goes_on_for(requests_around_a_fault()).await;
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
        // D needs no database: it goes on publishing, and F goes on taking.
        let mut d = grpc(&mesh.address("service-d"));
        let mut ids = Vec::new();
        for _ in 0..requests_around_a_fault() {
            let answer = d.greeting(GreetingRequest::default()).await.expect("D needs no database");
            ids.extend(answer.into_inner().greeting.into_iter().map(|greeting| greeting.id));
        }
        mesh.counts("service-f", r#"octet_store_inserts_total{outcome="unavailable"}"#, TRIES_IN_VAIN).await;
        assert_eq!(mesh.queue().await.depth().await.expect("readable").dead_lettered, 0);

        servers.database.restart().await;
        let documents = mesh.documents("service-f").await;
        documents.hold(&ids, 2 * RECOVERY_OF_A_SERVER).await;
        documents.come_to(ids.len() as u64).await;
        assert_eq!(mesh.queue().await.depth().await.expect("readable").dead_lettered, 0);
        assert_eq!(mesh.pids(), pids, "no process was restarted");
        mesh.end().await;
    }
}
