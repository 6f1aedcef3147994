//! What a topology says beside its graph, over real processes.

use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::{Request, StatusCode};
use tempfile::TempDir;

use crate::{client::Client, platform::Mesh};

/// A platform of this topology, and the directory of its file.
async fn mesh(topology: &str) -> (Mesh, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("topology.toml");
    std::fs::write(&file, topology).expect("written");
    (Mesh::builder().with("TOPOLOGY", file.display().to_string()).start().await, directory)
}

/// The services of the answer to the request number `id`, which with the topology's seed decides every draw.
async fn greeted(mesh: &Mesh, id: u32) -> Vec<String> {
    let request = Request::get(mesh.url("/api/greeting")).header("x-request-id", id.to_string());
    let reply =
        Client::new().send(request.body(Full::default()).expect("a request")).await.expect("an answer");
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    let answer: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    let services = answer["greeting"].as_array().expect("greetings").iter();
    services.map(|greeting| greeting["service"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn steps_times_shares_work_and_payloads_are_executed() {
    let (mesh, _directory) = mesh(
        r#"
        entry = "service-a"
        seed = 7
        [[service]]
        name = "service-a"
        calls = [["service-b"], ["service-c", "service-d"]]
        payload = "20KiB"
        [[service]]
        name = "service-b"
        work = "200ms"
        [[service]]
        name = "service-c"
        work = "200ms"
        [[service]]
        name = "service-d"
        [[edge]]
        at = "service-a>service-b"
        payload = "100KiB"
        [[edge]]
        at = "service-a>service-d"
        times = 2
        share = "50%"
        "#,
    )
    .await;
    let started = Instant::now();
    greeted(&mesh, 0).await;
    assert!(started.elapsed() >= Duration::from_millis(400), "the steps run one after the other");

    let all = ["service-a", "service-b", "service-c", "service-d", "service-d"];
    let mut lengths = [0; 2];
    for id in 0..12 {
        let greeted = greeted(&mesh, id).await;
        let called = greeted.len() == all.len();
        assert_eq!(greeted, if called { &all[..] } else { &all[..3] });
        lengths[usize::from(called)] += 1;
    }
    assert!(lengths.iter().all(|count| *count > 0), "{lengths:?}");
    let reply = Client::new().get(&mesh.url("/api/greeting")).await;
    assert!(reply.body.len() > 20 * 1024, "{} bytes", reply.body.len());
}

#[tokio::test]
async fn a_limit_refuses_what_neither_is_worked_on_nor_may_wait() {
    let (mesh, _directory) = mesh(
        r#"
        entry = "service-a"
        [[service]]
        name = "service-a"
        work = "1s"
        limit = { concurrent = 1, queue = 1 }
        "#,
    )
    .await;
    let calls = (0..4).map(|_| async { Client::new().get(&mesh.url("/api/greeting")).await.status });
    let mut statuses = futures_util::future::join_all(calls).await;
    statuses.sort();
    assert_eq!(statuses, [200, 200, 429, 429].map(|code| StatusCode::from_u16(code).expect("a code")));
    mesh.metric_reaches("service-a", "octet_limit_refused_total", 2).await;
}

#[tokio::test]
async fn a_retry_policy_tries_again_and_a_deadline_ends_a_call() {
    let (mesh, _directory) = mesh(
        r#"
        entry = "service-a"
        seed = 7
        [[service]]
        name = "service-a"
        calls = ["service-b", "service-c"]
        policy = "partial"
        [[service]]
        name = "service-b"
        [[service]]
        name = "service-c"
        work = "10s"
        [[edge]]
        at = "service-a>service-b"
        retry = { attempts = 10, on = ["UNAVAILABLE"], backoff = "1ms" }
        [[edge]]
        at = "service-a>service-c"
        deadline = "300ms"
        [[fault]]
        at = "service-b"
        abort = "UNAVAILABLE"
        share = "50%"
        "#,
    )
    .await;
    // The attempts of a request are drawn independently: of these requests, none fails all ten.
    for id in 0..10 {
        let started = Instant::now();
        assert_eq!(greeted(&mesh, id).await, ["service-a", "service-b"]);
        assert!(started.elapsed() < Duration::from_secs(4), "service-c is not waited for");
    }
    let retries = "octet_upstream_retries_total{outcome=\"made\",upstream=\"service-b\"}";
    mesh.metric_reaches("service-a", retries, 1).await;
}
