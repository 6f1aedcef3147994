//! How a platform ends, and what is left of it: nothing.

use std::{process::Stdio, time::Duration};

use rustix::process::Signal;

use crate::{
    client::Client,
    platform::{Mesh, gone, octet},
};

#[tokio::test]
async fn every_way_to_end_the_runner_ends_every_process() {
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let mut mesh = Mesh::start().await;
        let pids = mesh.pids();
        mesh.signal_up(signal);
        let status = mesh.ended().await;
        assert_eq!(status.success(), signal != Signal::KILL, "{signal:?}: {status:?}");
        gone(&pids, Duration::from_secs(5)).await;
    }
}

#[tokio::test]
async fn a_process_that_somebody_stopped_ends_with_the_others() {
    let mesh = Mesh::start().await;
    mesh.signal("service-g", Signal::STOP);
    let begun = std::time::Instant::now();
    mesh.end().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_process_that_dies_again_and_again_is_restarted_with_backoff_and_said_so() {
    let mut mesh = Mesh::start().await;
    let client = Client::new();
    mesh.kill("service-h");
    mesh.says("service-h was ended by signal 9: restarting at once").await;
    client.becomes(&mesh.admin("service-h", "/readyz"), hyper::StatusCode::OK).await;
    mesh.kill("service-h");
    mesh.says("service-h was ended by signal 9: restarting in 250ms").await;
    client.becomes(&mesh.admin("service-h", "/readyz"), hyper::StatusCode::OK).await;
    client.get(&mesh.url("/api/greeting")).await.answer().expect("whole");
    mesh.end().await;
}

#[tokio::test]
async fn a_second_platform_in_the_same_place_is_refused() {
    let mesh = Mesh::start().await;
    let base = mesh.url("").rsplit(':').next().expect("a port").to_owned();

    let same_data = octet().args(["up", "--data"]).arg(mesh.data()).output().await.expect("runs");
    assert_eq!(same_data.status.code(), Some(1));
    let said = String::from_utf8_lossy(&same_data.stderr).into_owned();
    assert!(said.contains("belongs to another `octet up` (process "), "{said}");

    let other = tempfile::tempdir().expect("a directory");
    let same_ports = octet()
        .args(["up", "--base-port", &base, "--data"])
        .arg(other.path())
        .stdout(Stdio::piped())
        .output()
        .await
        .expect("runs");
    assert_eq!(same_ports.status.code(), Some(1));
    let said = String::from_utf8_lossy(&same_ports.stderr).into_owned();
    assert!(said.contains(&format!("127.0.0.1:{base}, wanted by gateway: ")), "{said}");
    assert!(said.contains("wanted by service-h's admin server: "), "{said}");
    mesh.end().await;
}
