//! Scenarios that the page starts: `/api/scenarios` under `octet up`.

use std::fs;

use http_body_util::Full;
use hyper::{Request, StatusCode, body::Bytes};
use octet_testbed::eventually;
use serde_json::{Value, json};

use crate::{
    client::{Client, Reply},
    platform::Mesh,
};

const PATH: &str = "/api/scenarios";

async fn send(mesh: &Mesh, method: &str, body: &str) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(mesh.url(PATH))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_owned())))
        .expect("a request");
    Client::new().send(request).await.expect("a response")
}

async fn shown(mesh: &Mesh, path: &str) -> Value {
    let reply = Client::new().get(&mesh.url(path)).await;
    serde_json::from_slice(&reply.body).expect("JSON")
}

/// Waits until the run is as wanted.
async fn run_becomes(mesh: &Mesh, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually(what, async || {
        let run = shown(mesh, PATH).await["run"].clone();
        if is_so(&run) { Ok(run) } else { Err(run.to_string()) }
    })
    .await
}

#[tokio::test]
async fn the_page_sees_what_this_mesh_can_do_and_a_stopped_scenario_leaves_no_fault() {
    let mesh = Mesh::start().await;
    let list = shown(&mesh, PATH).await;
    assert_eq!(list["available"], true, "{list}");
    let refused = |name: &str| {
        let scenarios = list["scenarios"].as_array().expect("a list");
        let found = scenarios.iter().find(|listed| listed["name"] == name).expect(name);
        found["refused"].to_string()
    };
    assert_eq!(refused("slow-leaf"), "[]");
    assert_eq!(refused("poison-messages"), "[]", "octet up's own queues are known");
    assert!(refused("dead-leaf").contains("kill service-h for 6s"), "{}", refused("dead-leaf"));
    assert!(refused("overload").contains("topology"), "{}", refused("overload"));
    let impossible = send(&mesh, "POST", r#"{"scenario": "dead-leaf"}"#).await;
    assert_eq!(impossible.status, StatusCode::BAD_REQUEST);
    assert!(impossible.text().contains("kill service-h for 6s"), "{}", impossible.text());

    // A blind fault: the page does not show what somebody has to find.
    assert_eq!(send(&mesh, "POST", r#"{"scenario": "find-the-fault"}"#).await.status, StatusCode::CREATED);
    let run = run_becomes(&mesh, "a fault acts", |run| run["report"]["ledger"][0].is_object()).await;
    assert_eq!(run["report"]["ledger"][0]["what"], "a blind fault", "{run}");
    assert_eq!((&run["report"]["planned"], &run["report"]["windows"]), (&json!([]), &json!([])));
    assert!(!run.to_string().contains("service-g"), "{run}");
    eventually("the mesh has the fault", async || {
        let faults = shown(&mesh, "/api/faults").await["faults"].clone();
        if faults == json!([]) { Err(faults.to_string()) } else { Ok(()) }
    })
    .await;

    assert_eq!(send(&mesh, "DELETE", "").await.status, StatusCode::OK);
    let stopped = run_becomes(&mesh, "it has ended", |run| run["state"] == "stopped").await;
    assert_eq!(stopped["report"]["verdict"], "unjudged");
    assert_eq!(shown(&mesh, "/api/faults").await["faults"], json!([]));
    mesh.end().await;
}

#[tokio::test]
async fn a_scenario_of_the_page_is_judged_with_the_stores_of_the_mesh() {
    let mesh = Mesh::start().await;
    assert_eq!(send(&mesh, "POST", r#"{"scenario": "poison-messages"}"#).await.status, StatusCode::CREATED);
    let running = run_becomes(&mesh, "the load runs", |run| run["report"]["elapsedMs"].is_u64()).await;
    let windows = json!([
        {"when": "before", "fromMs": 1_000, "untilMs": 5_000},
        {"when": "during", "fromMs": 5_000, "untilMs": 6_000},
        {"when": "after", "fromMs": 6_000, "untilMs": 12_000},
        {"when": "end", "fromMs": 1_000, "untilMs": 12_000},
    ]);
    assert_eq!(running["report"]["windows"], windows);
    assert_eq!(running["report"]["planned"][0]["what"], "poison service-d");
    assert_eq!(running["report"]["expectations"][0], json!({"when": "before", "expected": "errors rate==0"}));

    let done = run_becomes(&mesh, "it is judged", |run| run["state"] != "running").await;
    let report = &done["report"];
    assert_eq!((&done["state"], &report["state"]), (&"done".into(), &"done".into()), "{done}");
    // Whether every request succeeds depends on the machine; what stores and queues have does not.
    let verdict = report["verdict"].as_str().unwrap_or_default();
    assert!(["held", "broken"].contains(&verdict), "{done}");
    let outcome = |expected: &str| {
        let cases = report["expectations"].as_array().expect("a list");
        cases.iter().find(|case| case["expected"] == expected).expect(expected)["outcome"].clone()
    };
    for expected in ["queue dead_lettered==2", "queue depth==0", "audit clean"] {
        assert_eq!(outcome(expected), "held", "{done}");
    }
    assert_eq!(report["ledger"].as_array().map(Vec::len), Some(2));
    assert!(report["seconds"].as_array().is_some_and(|seconds| seconds.len() >= 12), "{done}");
    // The last reports are kept for `octet scenario score` and for people.
    let kept = fs::read_to_string(mesh.data().join("scenario/report.md")).expect("a report");
    assert!(kept.contains(&format!("**{verdict}**")), "{kept}");
    mesh.end().await;
}
