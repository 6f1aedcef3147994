//! A leaf that freezes and thaws, and callers that leave half-way.

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
        load.goes_on_for(requests_around_a_fault()).await;

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
        // Every user's request runs into its deadline of 5 s once.
        tokio::time::sleep(Duration::from_secs(6)).await;
        mesh.signal("service-g", Signal::CONT);
        let recovery = recovers(&mesh).await;
        load.goes_on_for(requests_around_a_fault()).await;

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
async fn callers_that_leave_half_way_disturb_nobody() {
    for _ in 0..rounds() {
        let mesh = Mesh::start().await;
        let load = Load::until_stopped(&mesh, USERS);
        load.reaches(100).await;
        let url = mesh.url("/api/greeting");
        let begun = load.done();
        while load.done() < begun + requests_around_a_fault() {
            // A client of its own, so that leaving closes the connection.
            let client = Client::new();
            let request = Request::get(&url).body(Full::default()).expect("a request");
            let patience = Duration::from_millis(fastrand_below(20));
            // That it is left, is the point: whether it was answered in time does not matter.
            let _ = tokio::time::timeout(patience, client.send(request)).await;
        }
        let recovery = recovers(&mesh).await;
        let report = load.stop().await;
        assert_eq!(report.failures(), [].into());
        conclude("callers that leave", &mesh, &report, recovery).await;
        mesh.end().await;
    }
}

/// A small number that differs from call to call.
fn fastrand_below(most: u64) -> u64 {
    u64::from(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970")
            .subsec_micros(),
    ) % most
}
