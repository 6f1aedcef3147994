//! What retries do twice, over real processes.

use std::fs;

use serde_json::Value;

use crate::{client::Client, platform::Mesh};

const REQUESTS: u64 = 40;

/// Calls of D and G do their work, then lose a third of the answers; their callers try again.
fn topology() -> String {
    let mut text = octet_topology::Topology::BUILT_IN.to_owned();
    for edge in ["service-b>service-d", "service-e>service-g"] {
        text.push_str(&format_edge(edge));
    }
    text
}

fn format_edge(edge: &str) -> String {
    format!(
        "\n[[edge]]\nat = \"{edge}\"\nretry = {{ attempts = 10, on = [\"UNAVAILABLE\"], backoff = \"1ms\" }}\n\
         [[fault]]\nat = \"{edge}\"\nlose = \"UNAVAILABLE\"\nshare = \"33%\"\n"
    )
}

/// How often the fault of a caller acted.
async fn lost(mesh: &Mesh, caller: &str, edge: &str) -> u64 {
    let page = Client::new().get(&mesh.admin(caller, "/metrics")).await;
    let series = format!("octet_faults_total{{at=\"{edge}\",effect=\"lose\"");
    let row = page.text().lines().find(|line| line.starts_with(&series)).expect("a series").to_owned();
    row.rsplit(' ').next().expect("a value").parse().expect("a number")
}

#[tokio::test]
async fn a_retry_publishes_twice_and_stores_once() {
    let mesh = Mesh::builder().topology(topology()).start().await;
    let client = Client::new();
    let mut saved = Vec::new();
    for _ in 0..REQUESTS {
        let reply = client.get(&mesh.url("/api/greeting")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        saved.push(reply.text().to_owned());
    }
    let file = mesh.data().join("saved.jsonl");
    fs::write(&file, saved.join("\n")).expect("written");

    let (published, stored) = (
        lost(&mesh, "service-b", "service-b>service-d").await,
        lost(&mesh, "service-e", "service-e>service-g").await,
    );
    assert!(published > 0 && stored > 0, "{published} and {stored} answers were lost");
    // Messages of attempts whose answer was lost are no claims, so that nothing waits for them.
    mesh.documents("service-f").await.reach(REQUESTS + published).await;
    let mut command = mesh.audit();
    let output =
        command.arg("--answered").arg(&file).args(["--format", "json"]).output().await.expect("runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["verdict"], "complete", "{report}");
    assert_eq!(report["answered"]["surplus"], serde_json::json!({ "service-f": published }), "{report}");
    assert!(output.status.success());
    mesh.end().await;
}
