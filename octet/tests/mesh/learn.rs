//! `octet topology learn`: a mesh, its twin, and the twin's twin are alike.

use std::{collections::BTreeMap, sync::Arc};

use http_body_util::Full;
use hyper::Request;
use octet_testbed::eventually;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    client::Client,
    drills::is_full,
    platform::{Mesh, octet},
};

const TOPOLOGY: &str = r#"
entry = "shop"

[[service]]
name = "shop"
calls = [["auth"], ["cart", "stock"]]

[[service]]
name = "auth"
work = "p50=200ms p90=300ms p99=500ms"

[[service]]
name = "cart"
calls = ["price"]
work = "300ms"

[[service]]
name = "price"
work = "250ms"

[[service]]
name = "stock"
work = "150ms..400ms"

[[edge]]
at = "cart>price"
share = "50%"

[[fault]]
at = "stock"
abort = "RESOURCE_EXHAUSTED"
share = "10%"
"#;

/// Concurrent requests, about sixty a second: few enough that they wait for nothing but the work.
const USERS: usize = 48;

fn requests() -> usize {
    if is_full() { 3_000 } else { 480 }
}

/// Sends the requests, which have the same ids in each mesh, and waits for their spans.
async fn load(mesh: &Mesh) {
    let url: Arc<str> = mesh.url("/api/greeting").into();
    let mut users = JoinSet::new();
    for user in 0..USERS {
        let url = Arc::clone(&url);
        users.spawn(async move {
            let client = Client::new();
            for number in (user..requests()).step_by(USERS) {
                let request = Request::get(&*url).header("x-request-id", format!("learn-{number}"));
                client.send(request.body(Full::default()).expect("a request")).await.expect("an answer");
            }
        });
    }
    while let Some(ended) = users.join_next().await {
        ended.expect("it ends");
    }
    eventually("all spans arrive", async || {
        let edges = edges(mesh).await;
        let all = ["gateway>shop", "shop>auth", "shop>cart", "shop>stock"];
        all.iter().all(|edge| edges.get(*edge).is_some_and(|edge| edge.0 == requests() as u64))
    })
    .await;
}

/// Each edge's calls, median and 99th percentile.
async fn edges(mesh: &Mesh) -> BTreeMap<String, (u64, f64, f64)> {
    let reply = Client::new().get(&mesh.url("/api/mesh")).await;
    let answer: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let edges = answer["edges"].as_array().cloned().unwrap_or_default();
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    edges
        .iter()
        .map(|edge| {
            let name = format!("{}>{}", text(&edge["caller"]), text(&edge["callee"]));
            (name, (edge["count"].as_u64().unwrap_or_default(), number(&edge["p50"]), number(&edge["p99"])))
        })
        .collect()
}

/// The topology that its traces show, without the comment.
async fn learn(mesh: &Mesh) -> String {
    let limit = requests().to_string();
    let output = octet()
        .args(["topology", "learn", "--traces", &mesh.collector(""), "--limit", &limit])
        .output()
        .await
        .expect("octet runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (comment, toml) = text.split_once('\n').expect("a comment");
    assert_eq!(comment, format!("# Learned from {limit} traces by `octet topology learn`."));
    toml.to_owned()
}

/// The lines that say the graph, and the shares.
fn graph(toml: &str) -> (Vec<&str>, Vec<f64>) {
    let is_graph = |line: &&str| {
        ["[[", "entry", "name", "calls", "at", "abort", "policy"].iter().any(|start| line.starts_with(start))
    };
    let share = |line: &str| line.strip_prefix("share = \"")?.strip_suffix("%\"")?.parse().ok();
    (toml.lines().filter(is_graph).collect(), toml.lines().filter_map(share).collect())
}

#[tokio::test]
async fn a_mesh_that_is_learned_from_traces_behaves_like_its_origin() {
    let start = async |topology: &str| Mesh::builder().topology(topology).with("SEED", "7").start().await;
    let mesh = start(TOPOLOGY).await;
    load(&mesh).await;
    let (learned, original) = (learn(&mesh).await, edges(&mesh).await);
    mesh.end().await;
    for part in [
        "entry = \"shop\"",
        "calls = [[\"auth\"], [\"cart\", \"stock\"]]",
        "at = \"cart>price\"\nshare = ",
        "at = \"stock\"\nabort = \"RESOURCE_EXHAUSTED\"\nshare = ",
    ] {
        assert!(learned.contains(part), "{part}\n{learned}");
    }

    let twin = start(&learned).await;
    load(&twin).await;
    let (again, copied) = (learn(&twin).await, edges(&twin).await);
    twin.end().await;
    let ((lines, shares), (lines_again, shares_again)) = (graph(&learned), graph(&again));
    assert_eq!(lines, lines_again, "{learned}\n{again}");
    for (one, other) in shares.iter().zip(&shares_again) {
        assert!((one - other).abs() < 6.0, "{one} % and {other} %");
    }
    assert_eq!(original.keys().collect::<Vec<_>>(), copied.keys().collect::<Vec<_>>());
    for (edge, (_, p50, p99)) in &original {
        let (_, twin_p50, twin_p99) = copied[edge];
        // A busy machine lengthens the slowest calls of a short run.
        let slowest = if is_full() { 0.15 } else { 0.25 };
        for (one, other, bound) in [(p50, twin_p50, 0.15), (p99, twin_p99, slowest)] {
            assert!((one - other).abs() <= bound * one, "{edge}: {one} and {other} ms\n{learned}");
        }
    }
}

#[tokio::test]
async fn a_server_without_traces_teaches_nothing() {
    let learn = async |url: &str| {
        octet().args(["topology", "learn", "--traces", url]).output().await.expect("octet runs")
    };
    let mesh = Mesh::start().await;
    let output = learn(&mesh.collector("")).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("there are no traces"), "{errors}");
    mesh.end().await;
    let output = learn("nowhere").await;
    assert_eq!(output.status.code(), Some(64));
}
