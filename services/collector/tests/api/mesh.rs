//! `/api/v2/mesh`: the counts of edges.

use serde_json::{Value, json};

use crate::peer::{Peer, span};

const PATH: &str = "/api/v2/mesh?lookback=60000";

fn call(trace: u64, callee: &str, rest: &str) -> String {
    let rest = format!(
        r#","kind":"CLIENT","timestamp":1000000,"duration":1500,"localEndpoint":{{"serviceName":"a"}},"remoteEndpoint":{{"serviceName":"{callee}"}}{rest}"#
    );
    span(trace, 1, &rest)
}

fn counts(edge: &Value) -> [&Value; 4] {
    ["count", "errors", "propagated", "cancelled"].map(|name| &edge[name])
}

#[tokio::test]
async fn calls_are_counted_beyond_the_traces_that_are_kept_and_for_any_lookback() {
    let peer = Peer::with(&[("COLLECTOR_MEMORY", "1MiB")]).await;
    let before = peer.json(PATH).await;
    assert_eq!(before["edges"], json!([]));
    for index in 0..20 {
        let calls: Vec<String> = (0..500)
            .map(|number| {
                let trace = 1 + index * 500 + number;
                let failed = r#","tags":{"error":"x","rpc.grpc.status_code":"4"}"#;
                let cancelled = r#","tags":{"error":"x","rpc.grpc.status_code":"1"}"#;
                call(
                    trace,
                    "b",
                    if number == 7 {
                        failed
                    } else if number == 8 {
                        cancelled
                    } else {
                        ""
                    },
                )
            })
            .collect();
        let report = format!("[{}]", calls.join(","));
        peer.report(report.clone()).await;
        if index % 2 == 0 {
            // The reporter did not get the answer, and sends it again.
            peer.report(report).await;
        }
    }
    assert!(peer.metric("octet_collector_evicted_traces_total").await > 5_000);
    for lookback in ["60000", "900000", "86400000", "99999999999"] {
        let mesh = peer.json(&format!("/api/v2/mesh?lookback={lookback}")).await;
        assert_eq!(mesh["edges"].as_array().map(Vec::len), Some(1), "{mesh}");
        let edge = &mesh["edges"][0];
        assert_eq!(counts(edge), [&json!(10_000), &json!(20), &json!(0), &json!(20)], "{lookback}");
        assert_eq!(
            (&edge["codes"], &edge["p50"], &edge["p99"]),
            (&json!({"4":20}), &json!(1.5), &json!(1.5))
        );
        assert_eq!((&mesh["sample"], &mesh["traces"]), (&json!(false), &json!(10_000)));
        assert!(mesh["kept"].as_u64() < Some(5_000), "{mesh}");
        let since = |mesh: &Value| mesh["completeSince"].as_u64().expect("a time");
        assert!(since(&mesh).abs_diff(since(&before)) < 100, "since the start: {mesh}");
        assert!(mesh["from"].as_u64() >= mesh["completeSince"].as_u64(), "{mesh}");
        assert!(mesh["to"].as_u64() > mesh["from"].as_u64(), "{mesh}");
    }
    // A period before the start.
    let start = before["completeSince"].as_u64().expect("a time");
    let mesh = peer.json(&format!("/api/v2/mesh?lookback=60000&endTs={}", start - 5_000)).await;
    assert_eq!((&mesh["edges"], &mesh["traces"]), (&json!([]), &json!(0)));
    peer.stop().await;
}

#[tokio::test]
async fn what_the_counts_lack_is_stated() {
    let peer = Peer::start().await;
    let known = call(1, "b", "");
    peer.report(format!("[{known}]")).await;
    let headers = [("content-type", "application/json"), ("octet-dropped-spans", "500")];
    for _ in 0..2 {
        assert_eq!(peer.post(&headers, "[]").await.status, 202);
    }
    for invalid in ["-1", "many", "99999999999999999999", ""] {
        let headers = [("content-type", "application/json"), ("octet-dropped-spans", invalid)];
        assert_eq!(peer.post(&headers, "[]").await.status, 202, "{invalid}");
    }
    // More names than are counted.
    for report in 0..6 {
        let invented: Vec<String> = (0..1_000)
            .map(|number| call(2 + report * 1_000 + number, &format!("invented-{report}-{number}"), ""))
            .collect();
        peer.report(format!("[{}]", invented.join(","))).await;
    }
    let mesh = peer.json(PATH).await;
    let edges = mesh["edges"].as_array().expect("edges");
    let uncounted = mesh["uncountedCalls"].as_u64().expect("a number");
    assert_eq!(mesh["droppedSpans"], 1_000);
    assert_eq!(edges.len() as u64 + uncounted, 6_001);
    assert!(edges.len() <= 2_000 && edges.iter().any(|edge| edge["callee"] == "b"), "{}", edges.len());
    assert_eq!(peer.metric(r#"octet_collector_spans_total{result="dropped_by_reporter"}"#).await, 1_000);
    peer.stop().await;
}
