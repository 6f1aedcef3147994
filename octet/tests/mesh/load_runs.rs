//! Loads that the page starts: `/api/load` under `octet up`.

use std::time::Duration;

use http_body_util::Full;
use hyper::{Request, StatusCode, body::Bytes};
use octet_testbed::eventually;
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    client::{Client, Reply},
    platform::{Mesh, all_ended},
};

async fn send(mesh: &Mesh, method: &str, body: &str) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(mesh.url("/api/load"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_owned())))
        .expect("a request");
    Client::new().send(request).await.expect("a response")
}

async fn run(mesh: &Mesh) -> Value {
    let reply = Client::new().get(&mesh.url("/api/load")).await;
    serde_json::from_slice::<Value>(&reply.body).expect("JSON")["run"].clone()
}

async fn becomes(mesh: &Mesh, state: &str) -> Value {
    eventually(&format!("the run is {state}"), async || {
        let run = run(mesh).await;
        if run["state"] == state { Ok(run) } else { Err(run.to_string()) }
    })
    .await
}

/// The processes that run `octet load` against this gateway.
fn loaders(mesh: &Mesh) -> Vec<rustix::process::Pid> {
    let url = mesh.url("");
    let processes = std::fs::read_dir("/proc").expect("readable").flatten();
    processes
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            (line.contains(" load ") && line.contains(&url)).then_some(id)
        })
        .filter_map(rustix::process::Pid::from_raw)
        .collect()
}

#[tokio::test]
async fn a_run_counts_what_the_gateway_counts() {
    let mesh = Mesh::start().await;
    for protocol in ["http1", "http2", "grpc"] {
        let plan = format!(r#"{{"users": 5, "requests": 100, "protocol": "{protocol}"}}"#);
        assert_eq!(send(&mesh, "POST", &plan).await.status, StatusCode::CREATED);
        let run = becomes(&mesh, "done").await;
        let success = if protocol == "grpc" { "gRPC OK" } else { "HTTP 200" };
        assert_eq!(run["report"]["outcomes"], serde_json::json!({ success: 100 }), "{protocol}");
    }
    mesh.metric_reaches(
        "gateway",
        r#"http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/api/greeting"}"#,
        200,
    )
    .await;
    mesh.end().await;
}

/// While 250 users send as fast as they can, the page's requests are answered: Mesh refreshes every 5 s.
#[tokio::test]
async fn two_hundred_and_fifty_users_do_not_starve_the_page() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    assert_eq!(send(&mesh, "POST", r#"{"users": 250, "seconds": 20}"#).await.status, StatusCode::CREATED);
    let mut slowest = Duration::ZERO;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(15) {
        let asked = Instant::now();
        for path in ["/api/mesh?lookback=60000", "/api/health", "/api/topology", "/api/load"] {
            assert_eq!(client.get(&mesh.url(path)).await.status, StatusCode::OK, "{path}");
        }
        slowest = slowest.max(asked.elapsed());
        sleep(Duration::from_millis(500)).await;
    }
    let state = run(&mesh).await;
    assert_eq!(state["state"], "running", "{state}");
    assert!(state["report"]["requests"].as_u64() >= Some(250), "{state}");
    assert!(slowest < Duration::from_secs(5), "a refresh took {slowest:?}");
    mesh.end().await;
}

#[tokio::test]
async fn a_stopped_run_reports_and_another_can_start() {
    let mesh = Mesh::start().await;
    let plan = r#"{"users": 2, "seconds": 600, "rate": 20}"#;
    assert_eq!(send(&mesh, "POST", plan).await.status, StatusCode::CREATED);
    assert_eq!(send(&mesh, "POST", plan).await.status, StatusCode::CONFLICT);
    eventually("a second is reported", async || run(&mesh).await["report"]["requests"].as_u64() > Some(0))
        .await;
    assert_eq!(send(&mesh, "DELETE", "").await.status, StatusCode::OK);
    let stopped = becomes(&mesh, "stopped").await;
    assert_eq!(stopped["report"]["failed"], 0, "{stopped}");
    assert_eq!(loaders(&mesh), []);
    assert_eq!(send(&mesh, "POST", plan).await.status, StatusCode::CREATED);
    mesh.end().await;
}

#[tokio::test]
async fn no_load_outlives_its_gateway_or_the_runner() {
    let plan = r#"{"users": 5, "seconds": 600}"#;
    // The gateway is killed, and restarted without a run.
    let mesh = Mesh::start().await;
    assert_eq!(send(&mesh, "POST", plan).await.status, StatusCode::CREATED);
    let first = loaders(&mesh);
    assert_eq!(first.len(), 1);
    mesh.kill("gateway");
    all_ended(&first).await;
    Client::new().becomes(&mesh.admin("gateway", "/readyz"), StatusCode::OK).await;
    assert_eq!(run(&mesh).await, Value::Null);

    // The platform ends in order.
    assert_eq!(send(&mesh, "POST", plan).await.status, StatusCode::CREATED);
    let second = loaders(&mesh);
    assert_eq!(second.len(), 1);
    mesh.end().await;
    all_ended(&second).await;

    // The runner itself is killed.
    let mut mesh = Mesh::start().await;
    assert_eq!(send(&mesh, "POST", plan).await.status, StatusCode::CREATED);
    let (third, pids) = (loaders(&mesh), mesh.pids());
    assert_eq!(third.len(), 1);
    mesh.signal_up(Signal::KILL);
    mesh.ended().await;
    all_ended(&third).await;
    all_ended(&pids).await;
}
