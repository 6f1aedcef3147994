//! The state of every process, as the gateway of `octet up` lists it.

use octet_testbed::eventually;
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    client::Client,
    platform::{Mesh, PROCESSES},
};

/// The entry of one process.
async fn process(mesh: &Mesh, name: &str) -> Value {
    let reply = Client::new().get(&mesh.url("/api/processes")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let list: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let processes = list["processes"].as_array().expect("a list");
    assert_eq!(processes.len(), PROCESSES.len(), "{list}");
    processes.iter().find(|process| process["name"] == name).expect("every process").clone()
}

async fn becomes(mesh: &Mesh, name: &str, state: &str) -> Value {
    eventually(&format!("{name} is {state}"), async || {
        let found = process(mesh, name).await;
        if found["state"] == state { Ok(found) } else { Err(found) }
    })
    .await
}

#[tokio::test]
async fn every_process_reports_its_state_version_restarts_cpu_and_memory() {
    let mesh = Mesh::start().await;
    Client::new().get(&mesh.url("/api/greeting")).await.answer().expect("a valid answer");
    for name in PROCESSES {
        let found = becomes(&mesh, name, "ready").await;
        assert_eq!(found["version"], env!("CARGO_PKG_VERSION"), "{found}");
        assert_eq!(found["restarts"], 0, "{found}");
        for figure in ["cpu", "memoryBytes", "started"] {
            assert!(found[figure].as_f64().is_some_and(|value| value > 0.0), "{figure}: {found}");
        }
        let has_store = ["service-c", "service-f", "service-g", "service-h"].contains(&name);
        assert_eq!(found.get("store").is_some(), has_store, "{found}");
        assert_eq!(found.get("queue").is_some(), name == "service-f", "{found}");
    }
    eventually("the insert is counted", async || {
        let found = process(&mesh, "service-c").await;
        if found["store"]["inserts"] == 1 && found["store"]["p99Seconds"].is_f64() {
            Ok(())
        } else {
            Err(found)
        }
    })
    .await;
    mesh.end().await;
}

#[tokio::test]
async fn frozen_and_restarted_processes_are_reported() {
    let mesh = Mesh::start().await;
    mesh.signal("service-g", Signal::STOP);
    let frozen = becomes(&mesh, "service-g", "unreachable").await;
    assert_eq!(frozen["reasons"], serde_json::json!(["no response within 2s"]));
    mesh.signal("service-g", Signal::CONT);
    let back = becomes(&mesh, "service-g", "ready").await;
    assert_eq!(back["restarts"], 0, "the same process");

    mesh.kill("service-h");
    eventually("the restart is counted", async || {
        let found = process(&mesh, "service-h").await;
        if found["state"] == "ready" && found["restarts"] == 1 { Ok(()) } else { Err(found) }
    })
    .await;
    mesh.end().await;
}

#[tokio::test]
async fn a_process_that_is_not_ready_reports_why() {
    let mesh = Mesh::start().await;
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(mesh.data().join(format!("store/service-c.sqlite{end}")));
    }
    // Not a SQLite file, as after damage to the disk.
    std::fs::write(mesh.data().join("store/service-c.sqlite"), vec![b'x'; 8192]).expect("written");
    mesh.kill("service-c");
    let found = becomes(&mesh, "service-c", "not ready").await;
    let reason = found["reasons"][0].as_str().expect("a reason");
    assert!(reason.starts_with("store: "), "{found}");
    mesh.end().await;
}
