//! `kill -9` of each process in turn.

use super::{USERS, conclude, recovers, requests_around_a_fault, rounds};
use crate::{
    load::Load,
    platform::{Mesh, PROCESSES},
};

#[tokio::test]
async fn killing_each_process_in_turn_under_load() {
    for _ in 0..rounds() {
        for process in PROCESSES {
            let mut mesh = Mesh::start().await;
            let load = Load::until_stopped(&mesh, USERS);
            load.reaches(requests_around_a_fault()).await;
            mesh.kill(process);
            mesh.prints(&format!("{process} was killed by signal 9")).await;
            let recovery = recovers(&mesh).await;
            load.continues_for(requests_around_a_fault()).await;

            let report = load.stop().await;
            for (status, body) in &report.failures {
                assert_eq!((status.as_u16(), body.code), (503, 14), "{process}: {body:?}");
            }
            // Only a dead gateway leaves requests without a response.
            assert!(
                process == "gateway" || report.unanswered.is_empty(),
                "{process}: {:?}",
                report.failures()
            );
            assert!(report.failures.len() + report.unanswered.len() <= 4 * USERS, "{:?}", report.failures());
            conclude(&format!("kill -9 {process}"), &mesh, &report, recovery).await;
            mesh.end().await;
        }
    }
}
