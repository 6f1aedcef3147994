//! Zipkin's query API.

use serde_json::{Value, json};

use crate::peer::Peer;

/// One greeting: edge → a → b, with a store and a queue.
const TRACE: &str = r#"[
 {"traceId":"000000000000000100000000000000aa","id":"0000000000000001","kind":"SERVER","name":"get","timestamp":1000000000,
  "duration":9000,"localEndpoint":{"serviceName":"a"},"tags":{"http.method":"GET"}},
 {"traceId":"000000000000000100000000000000aa","id":"0000000000000002","parentId":"0000000000000001","kind":"CLIENT",
  "name":"greet","timestamp":1000000100,"duration":5000,"localEndpoint":{"serviceName":"a"},"remoteEndpoint":{"serviceName":"b"}},
 {"traceId":"000000000000000100000000000000aa","id":"0000000000000003","parentId":"0000000000000002","kind":"SERVER",
  "name":"greet","timestamp":1000000200,"duration":4000,"localEndpoint":{"serviceName":"b"},"tags":{"error":"x"}},
 {"traceId":"000000000000000100000000000000aa","id":"0000000000000004","parentId":"0000000000000003","kind":"CLIENT",
  "name":"insert","timestamp":1000000300,"duration":1500,"localEndpoint":{"serviceName":"b"},
  "remoteEndpoint":{"serviceName":"db"},"tags":{"db.system":"mongodb"}},
 {"traceId":"000000000000000100000000000000aa","id":"0000000000000005","parentId":"0000000000000003","kind":"PRODUCER",
  "name":"send","timestamp":1000000400,"duration":100,"localEndpoint":{"serviceName":"b"},"remoteEndpoint":{"serviceName":"queue"}},
 {"traceId":"000000000000000100000000000000aa","id":"0000000000000006","parentId":"0000000000000005","kind":"CONSUMER",
  "name":"process","timestamp":1000003000,"duration":700,"localEndpoint":{"serviceName":"f"},"remoteEndpoint":{"serviceName":"queue"}}]"#;

const WINDOW: &str = "endTs=1001000&lookback=60000";

#[tokio::test]
async fn names_are_listed_in_order() {
    let peer = Peer::start().await;
    assert_eq!(peer.json("/api/v2/services").await, json!([]));
    peer.report(TRACE).await;
    for (path, expected) in [
        ("/api/v2/services", json!(["a", "b", "f"])),
        ("/api/v2/spans?serviceName=B", json!(["greet", "insert", "send"])),
        ("/api/v2/spans?serviceName=nobody", json!([])),
        ("/api/v2/remoteServices?serviceName=b", json!(["db", "queue"])),
        ("/api/v2/autocompleteKeys", json!(["db.system", "error", "http.method"])),
        ("/api/v2/autocompleteValues?key=http.method", json!(["GET"])),
    ] {
        assert_eq!(peer.json(path).await, expected, "{path}");
    }
    assert_eq!(peer.json("/health").await["status"], "UP");
    assert!(peer.json("/info").await["octet"]["version"].is_string());
    peer.stop().await;
}

#[tokio::test]
async fn traces_are_found_by_service_name_annotation_and_duration() {
    let peer = Peer::start().await;
    peer.report(TRACE).await;
    let newer = r#"[{"traceId":"00000000000000bb","id":"0000000000000001","timestamp":1000500000,"name":"get","localEndpoint":{"serviceName":"a"}}]"#;
    peer.report(newer).await;
    let found = async |query: &str| -> Vec<String> {
        let traces = peer.json(&format!("/api/v2/traces?{WINDOW}&{query}")).await;
        let id = |trace: &Value| trace[0]["traceId"].as_str().unwrap().to_owned();
        traces.as_array().unwrap().iter().map(id).collect()
    };
    let (old, new) = ("000000000000000100000000000000aa", "00000000000000bb");
    assert_eq!(found("").await, [new, old], "newest first");
    assert_eq!(found("limit=1").await, [new]);
    assert_eq!(found("serviceName=b").await, [old]);
    assert_eq!(found("annotationQuery=error%20and%20db.system%3Dmongodb").await, [old]);
    assert_eq!(found("annotationQuery=http.method+%3D+GET").await, [old]);
    assert_eq!(found("annotationQuery=http.method%3DPOST+and+http.method").await, [""; 0]);
    assert_eq!(found("serviceName=a&spanName=greet&minDuration=4000&maxDuration=6000").await, [old]);
    assert_eq!(found("remoteServiceName=queue").await, [old]);
    assert_eq!(found("spanName=nothing").await, [""; 0]);
    assert_eq!(peer.json("/api/v2/traces").await, json!([]), "older than the default lookback of a day");

    let many = peer.json(&format!("/api/v2/traceMany?traceIds={new},{old},00000000000000cc,{new}")).await;
    assert_eq!(many.as_array().unwrap().len(), 2);
    assert_eq!(
        peer.json("/api/v2/trace/00000000000000aa").await.as_array().unwrap().len(),
        6,
        "by its low half"
    );
    peer.stop().await;
}

#[tokio::test]
async fn dependencies_and_mesh_contain_services_queue_and_database() {
    let peer = Peer::start().await;
    peer.report(TRACE).await;
    let link = |parent: &str, child: &str, errors: u64| json!({"parent":parent,"child":child,"callCount":1,"errorCount":errors});
    assert_eq!(
        peer.json(&format!("/api/v2/dependencies?{WINDOW}")).await,
        json!([link("a", "b", 1), link("b", "db", 0), link("b", "queue", 0), link("queue", "f", 0)])
    );
    // By the time of arrival, unlike the others.
    let mesh = peer.json("/api/v2/mesh?lookback=60000").await;
    let edge = |caller: &str, callee: &str, kind: &str, errors: u64, duration: f64| {
        json!({"caller":caller,"callee":callee,"kind":kind,"count":1,"errors":errors,"propagated":0,"cancelled":0,
               "p50":duration,"p99":duration})
    };
    let mut message = edge("b", "f", "messaging", 0, 0.7);
    message["queueWait"] = json!({"p50":2.5,"p99":2.5});
    assert_eq!(
        mesh["edges"],
        json!([edge("a", "b", "rpc", 1, 5.0), edge("b", "db", "database", 0, 1.5), message])
    );
    assert_eq!(
        peer.json("/api/v2/dependencies").await,
        json!([]),
        "older than the default lookback of a day"
    );
    peer.stop().await;
}

#[tokio::test]
async fn an_invalid_query_is_refused_with_the_name_of_its_parameter() {
    let peer = Peer::start().await;
    let many_terms = format!("/api/v2/traces?annotationQuery={}", "+and+k".repeat(101));
    for (path, status, named) in [
        (many_terms.as_str(), 400, "annotationQuery"),
        ("/api/v2/spans", 400, "serviceName"),
        ("/api/v2/remoteServices?serviceName=", 400, "serviceName"),
        ("/api/v2/traces?limit=0", 400, "limit"),
        ("/api/v2/traces?endTs=x", 400, "endTs"),
        ("/api/v2/traces?maxDuration=1", 400, "maxDuration"),
        ("/api/v2/dependencies?lookback=-1", 400, "lookback"),
        ("/api/v2/mesh?lookback=5m", 400, "lookback"),
        ("/api/v2/trace/xyz", 400, "traceId"),
        ("/api/v2/trace/00000000000000AA", 400, "traceId"),
        ("/api/v2/trace/00000000000000aa", 404, "00000000000000aa"),
        ("/api/v2/traceMany?traceIds=x,y", 400, "traceIds"),
        ("/api/v2/traceMany", 400, "traceIds"),
        ("/api/v2/autocompleteValues", 400, "key"),
    ] {
        let reply = peer.get(path).await;
        assert_eq!(reply.status, status, "{path}");
        assert!(reply.json()["message"].as_str().unwrap().contains(named), "{path}: {}", reply.text());
        assert!(!reply.headers.contains_key("access-control-allow-origin"));
    }
    peer.stop().await;
}
