//! `/api/mesh` counts what the client counted, with failures among the calls and few of the traces kept.

use octet_testbed::eventually;
use rustix::process::Signal;
use serde_json::Value;

use crate::{client::Client, load::Load, platform::Mesh};

/// The edge's counts: all, errors, cancelled.
fn counts(mesh: &Value, caller: &str, callee: &str) -> (u64, u64, u64) {
    let edges = mesh["edges"].as_array().expect("edges");
    let edge = edges.iter().find(|edge| edge["caller"] == caller && edge["callee"] == callee);
    let number = |name: &str| edge.map_or(0, |edge| edge[name].as_u64().expect("a number"));
    (number("count"), number("errors"), number("cancelled"))
}

#[tokio::test]
async fn the_mesh_counts_what_the_client_counted_though_most_traces_are_evicted() {
    // Enough to match the spans of some seconds, and too little to keep half of the traces.
    let mesh = Mesh::builder().with("COLLECTOR_MEMORY", "16MiB").with("REQUEST_TIMEOUT", "2s").start().await;
    let client = Client::new();
    let (mut total, mut failed) = (0, 0);
    for (is_frozen, workers, requests) in [(false, 10, 150), (true, 5, 2), (false, 10, 150)] {
        if is_frozen {
            mesh.signal("service-h", Signal::STOP);
        }
        let report = Load::start(&mesh, workers, requests).finish().await;
        if is_frozen {
            mesh.signal("service-h", Signal::CONT);
        }
        report.assert_all_valid();
        assert_eq!(report.unanswered, [""; 0]);
        if is_frozen {
            assert_eq!(report.failures.len(), workers * requests, "{:?}", report.failures());
        }
        total += u64::try_from(workers * requests).expect("small");
        failed += u64::try_from(report.failures.len()).expect("small");
    }

    let rpc = [
        ("gateway", "service-a"),
        ("service-a", "service-b"),
        ("service-a", "service-c"),
        ("service-b", "service-d"),
        ("service-b", "service-e"),
        ("service-e", "service-g"),
        ("service-e", "service-h"),
    ];
    let found = eventually("every call is counted", async || {
        let reply = client.get(&mesh.url("/api/mesh?lookback=5m")).await;
        let found: Value = serde_json::from_slice(&reply.body).expect("JSON");
        let all = rpc.iter().all(|(caller, callee)| counts(&found, caller, callee).0 >= total);
        let consumed = counts(&found, "service-d", "service-f").0 >= total;
        if all && consumed { Ok(found) } else { Err(found.to_string()) }
    })
    .await;
    for (caller, callee) in rpc {
        assert_eq!(counts(&found, caller, callee).0, total, "{caller}>{callee}: {found}");
    }
    assert_eq!(counts(&found, "service-d", "service-f"), (total, 0, 0), "{found}");
    assert_eq!(counts(&found, "gateway", "service-a"), (total, failed, 0), "{found}");
    let (_, errors, cancelled) = counts(&found, "service-e", "service-h");
    assert_eq!(errors + cancelled, failed, "{found}");
    for (caller, callee) in
        [("service-a", "service-c"), ("service-b", "service-d"), ("service-e", "service-g")]
    {
        let (_, errors, _) = counts(&found, caller, callee);
        assert_eq!(errors, 0, "{caller}>{callee}: {found}");
    }
    assert_eq!((&found["droppedSpans"], &found["uncountedCalls"]), (&0.into(), &0.into()), "{found}");
    // A trace whose spans are forgotten before its last one arrives counts again.
    assert!(found["traces"].as_u64() >= Some(total), "{found}");
    assert!(found["kept"].as_u64() < Some(total), "{found}");
    mesh.end().await;
}
