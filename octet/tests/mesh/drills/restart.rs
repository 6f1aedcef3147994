//! A rolling restart: SIGTERM of each process in turn fails no request.

use rustix::process::Signal;

use super::{USERS, conclude, recovers, requests_around_a_fault, rounds};
use crate::{
    client::Client,
    load::Load,
    platform::{Mesh, PROCESSES, all_ended},
};

#[tokio::test]
async fn a_rolling_restart_fails_no_request() {
    for round in 0..rounds() {
        let mesh = Mesh::builder().with("CONNECT_WAIT", "3s").start().await;
        let load = Load::until_stopped(&mesh, USERS);
        load.reaches(requests_around_a_fault()).await;
        let mut recovery = std::time::Duration::ZERO;
        for process in PROCESSES {
            let pid = mesh.pid(process).expect("running");
            mesh.signal(process, Signal::TERM);
            all_ended(&[pid]).await;
            Client::new().becomes(&mesh.admin(process, "/readyz"), hyper::StatusCode::OK).await;
            recovery = recovery.max(recovers(&mesh).await);
            load.continues_for(requests_around_a_fault() / 3).await;
        }
        let report = load.stop().await;
        assert_eq!(report.failures(), [].into(), "round {round}");
        conclude("rolling restart", &mesh, &report, recovery).await;
        mesh.end().await;
    }
}
