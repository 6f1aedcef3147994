//! Leaves that freeze, and callers that leave before their response.

use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use rustix::process::Signal;

use super::{USERS, conclude, recovers, requests_around_a_fault, rounds};
use crate::{client::Client, load::Load, platform::Mesh};

#[tokio::test]
async fn a_leaf_that_freezes_for_less_than_the_deadline_fails_no_request() {
    for _ in 0..rounds() {
        let mesh = Mesh::start().await;
        let load = Load::until_stopped(&mesh, USERS);
        load.reaches(requests_around_a_fault()).await;
        mesh.signal("service-h", Signal::STOP);
        tokio::time::sleep(Duration::from_secs(1)).await;
        mesh.signal("service-h", Signal::CONT);
        let recovery = recovers(&mesh).await;
        load.continues_for(requests_around_a_fault()).await;

        let report = load.stop().await;
        assert_eq!(report.failures(), [].into());
        conclude("SIGSTOP service-h for 1 s", &mesh, &report, recovery).await;
        mesh.end().await;
    }
}

#[tokio::test]
async fn a_leaf_that_freezes_beyond_the_deadline_fails_calls_with_the_deadline() {
    for _ in 0..rounds() {
        let mesh = Mesh::start().await;
        let load = Load::until_stopped(&mesh, USERS);
        load.reaches(requests_around_a_fault()).await;
        mesh.signal("service-g", Signal::STOP);
        // The request of every user reaches its deadline of 5 s once.
        tokio::time::sleep(Duration::from_secs(6)).await;
        mesh.signal("service-g", Signal::CONT);
        let recovery = recovers(&mesh).await;
        load.continues_for(requests_around_a_fault()).await;

        let report = load.stop().await;
        for (status, body) in &report.failures {
            assert_eq!((status.as_u16(), body.code), (504, 4), "{body:?}");
        }
        assert!((1..=2 * USERS).contains(&report.failures.len()), "{:?}", report.failures());
        conclude("SIGSTOP service-g for 6 s", &mesh, &report, recovery).await;
        mesh.end().await;
    }
}

#[tokio::test]
async fn callers_that_leave_affect_no_other_request() {
    for _ in 0..rounds() {
        let mesh = Mesh::start().await;
        let load = Load::until_stopped(&mesh, USERS);
        load.reaches(100).await;
        let url = mesh.url("/api/greeting");
        let started = load.done();
        while load.done() < started + requests_around_a_fault() {
            // A client of its own, so that leaving closes the connection.
            let client = Client::new();
            let request = Request::get(&url).body(Full::default()).expect("a request");
            let stay = Duration::from_millis(fastrand::u64(..20));
            // It does not matter whether the response came first.
            let _ = tokio::time::timeout(stay, client.send(request)).await;
        }
        let recovery = recovers(&mesh).await;
        let report = load.stop().await;
        assert_eq!(report.failures(), [].into());
        conclude("callers that leave", &mesh, &report, recovery).await;
        mesh.end().await;
    }
}
