//! How a platform starts and ends.

use std::{process::Stdio, time::Duration};

use rustix::process::Signal;

use crate::{
    client::Client,
    platform::{Mesh, all_ended, octet},
};

#[tokio::test]
async fn every_way_to_end_the_runner_ends_every_process() {
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let mut mesh = Mesh::start().await;
        let pids = mesh.pids();
        mesh.signal_up(signal);
        let status = mesh.ended().await;
        assert_eq!(status.success(), signal != Signal::KILL, "{signal:?}: {status:?}");
        all_ended(&pids).await;
    }
}

#[tokio::test]
async fn a_stopped_process_ends_with_the_others() {
    let mesh = Mesh::start().await;
    mesh.signal("service-g", Signal::STOP);
    let started = std::time::Instant::now();
    mesh.end().await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_process_that_keeps_dying_is_restarted_with_backoff_and_reported() {
    let mut mesh = Mesh::start().await;
    let client = Client::new();
    mesh.kill("service-h");
    mesh.prints("service-h was killed by signal 9; restarting at once").await;
    client.becomes(&mesh.admin("service-h", "/readyz"), hyper::StatusCode::OK).await;
    mesh.kill("service-h");
    mesh.prints("service-h was killed by signal 9; restarting in 250ms").await;
    client.becomes(&mesh.admin("service-h", "/readyz"), hyper::StatusCode::OK).await;
    client.get(&mesh.url("/api/greeting")).await.answer().expect("a valid answer");
    mesh.end().await;
}

#[tokio::test]
async fn a_second_platform_with_the_same_data_or_ports_is_refused() {
    let mesh = Mesh::start().await;
    let base = mesh.url("").rsplit(':').next().expect("a port").to_owned();

    let same_data = octet().args(["up", "--data"]).arg(mesh.data()).output().await.expect("runs");
    assert_eq!(same_data.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&same_data.stderr).into_owned();
    assert!(stderr.contains("is in use by another `octet up` (process "), "{stderr}");

    let other = tempfile::tempdir().expect("a directory");
    let same_ports = octet()
        .args(["up", "--base-port", &base, "--data"])
        .arg(other.path())
        .stdout(Stdio::piped())
        .output()
        .await
        .expect("runs");
    assert_eq!(same_ports.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&same_ports.stderr).into_owned();
    assert!(stderr.contains(&format!("127.0.0.1:{base}, needed by gateway: ")), "{stderr}");
    assert!(stderr.contains("needed by service-h's admin server: "), "{stderr}");
    mesh.end().await;
}
