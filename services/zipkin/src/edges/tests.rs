use super::*;
use crate::Batch;

fn edges(spans: &str) -> String {
    let batch = Batch::read(spans.as_bytes());
    assert!(batch.is_whole(), "{batch:?}");
    let mut edges = Edges::default();
    edges.add(&batch.spans);
    serde_json::to_string(&edges.list()).unwrap()
}

fn span(
    id: u8,
    parent: u8,
    kind: &str,
    (local, remote): (&str, &str),
    (at, took): (u64, u64),
    tag: &str,
) -> String {
    let parent = if parent == 0 { String::new() } else { format!(r#""parentId":"{parent:016x}","#) };
    format!(
        r#"{{"traceId":"00000000000000aa","id":"{id:016x}",{parent}"kind":"{kind}","timestamp":{at},"duration":{took},
           "localEndpoint":{{"serviceName":"{local}"}},"remoteEndpoint":{{"serviceName":"{remote}"}},"tags":{{{tag}}}}}"#
    )
}

#[test]
fn a_call_is_measured_at_its_client_and_named_by_its_server() {
    let spans = [
        span(1, 0, "CLIENT", ("a", "x"), (10, 5_000), ""),
        span(2, 1, "SERVER", ("b", ""), (11, 3_000), r#""error":"1""#),
    ];
    assert_eq!(
        edges(&format!("[{}]", spans.join(","))),
        r#"[{"caller":"a","callee":"b","kind":"rpc","count":1,"errors":1,"propagated":0,"cancelled":0,"p50":5.0,"p99":5.0}]"#
    );
}

#[test]
fn an_edge_counts_its_errors_by_code() {
    let unavailable = r#""error":"gone","rpc.grpc.status_code":"14""#;
    let refused = r#""error":"","http.response.status_code":"503""#;
    let spans = [
        span(1, 0, "CLIENT", ("a", "b"), (10, 5_000), unavailable),
        span(2, 0, "CLIENT", ("a", "b"), (20, 5_000), unavailable),
        // Only the server reports the error.
        span(3, 0, "CLIENT", ("a", "b"), (30, 5_000), ""),
        span(4, 3, "SERVER", ("b", ""), (31, 3_000), refused),
        span(5, 0, "CLIENT", ("a", "b"), (40, 5_000), r#""rpc.grpc.status_code":"0""#),
    ];
    assert_eq!(
        edges(&format!("[{}]", spans.join(","))),
        concat!(
            r#"[{"caller":"a","callee":"b","kind":"rpc","count":4,"errors":3,"propagated":0,"cancelled":0,"#,
            r#""codes":{"14":2,"503":1},"p50":5.0,"p99":5.0}]"#
        )
    );
}

#[test]
fn an_edge_counts_at_most_sixteen_codes() {
    // Not 1, which is CANCELLED.
    let failed = |code: u8| {
        span(code, 0, "CLIENT", ("a", "b"), (10, 1_000), &format!(r#""error":"","error.type":"{code}""#))
    };
    let spans: Vec<String> = (2..=21).map(failed).collect();
    let edges = edges(&format!("[{}]", spans.join(",")));
    let edges: serde_json::Value = serde_json::from_str(&edges).unwrap();
    assert_eq!(edges[0]["errors"], 20);
    assert_eq!(edges[0]["codes"].as_object().map(serde_json::Map::len), Some(16));
}

#[test]
fn a_store_is_a_database_and_a_server_without_a_client_counts() {
    let spans = [
        span(1, 0, "SERVER", ("c", "edge"), (10, 9_000), ""),
        span(2, 1, "CLIENT", ("c", "db"), (11, 1_500), r#""db.system":"mongodb""#),
    ];
    assert_eq!(
        edges(&format!("[{}]", spans.join(","))),
        concat!(
            r#"[{"caller":"c","callee":"db","kind":"database","count":1,"errors":0,"propagated":0,"cancelled":0,"p50":1.5,"p99":1.5},"#,
            r#"{"caller":"edge","callee":"c","kind":"rpc","count":1,"errors":0,"propagated":0,"cancelled":0,"p50":9.0,"p99":9.0}]"#
        )
    );
}

#[test]
fn a_message_is_an_edge_from_producer_to_consumer_with_its_wait() {
    let spans = [
        span(1, 0, "PRODUCER", ("d", "queue"), (1_000, 500), ""),
        span(2, 1, "CONSUMER", ("f", "queue"), (4_000, 250), ""),
    ];
    assert_eq!(
        edges(&format!("[{}]", spans.join(","))),
        concat!(
            r#"[{"caller":"d","callee":"f","kind":"messaging","count":1,"errors":0,"propagated":0,"cancelled":0,"p50":0.25,"p99":0.25,"#,
            r#""queueWait":{"p50":2.5,"p99":2.5}}]"#
        )
    );
    let failed = span(1, 0, "PRODUCER", ("d", "queue"), (1_000, 500), r#""error":"1""#);
    assert!(
        edges(&format!("[{failed}]")).contains(r#""callee":"queue","kind":"messaging","count":1,"errors":1"#)
    );
}

#[test]
fn a_cancelled_call_is_no_error_and_an_error_that_is_passed_on_is_told_from_its_cause() {
    let failed = r#""error":"gone","rpc.grpc.status_code":"14""#;
    let cancelled = r#""error":"left","rpc.grpc.status_code":"1""#;
    let spans = [
        span(1, 0, "CLIENT", ("a", "b"), (10, 5_000), failed),
        span(2, 1, "SERVER", ("b", ""), (11, 4_000), failed),
        span(3, 2, "CLIENT", ("b", "c"), (12, 3_000), failed),
        span(4, 2, "CLIENT", ("b", "d"), (12, 3_000), cancelled),
    ];
    let edges: serde_json::Value = serde_json::from_str(&edges(&format!("[{}]", spans.join(",")))).unwrap();
    let counts = |edge: &serde_json::Value| {
        ["callee", "errors", "propagated", "cancelled"].map(|key| edge[key].to_string()).join(" ")
    };
    let counts: Vec<String> = edges.as_array().unwrap().iter().map(counts).collect();
    assert_eq!(counts, [r#""b" 1 1 0"#, r#""c" 1 0 0"#, r#""d" 0 0 1"#]);
    assert!(edges[2].get("codes").is_none());
}

#[test]
fn a_call_through_a_proxy_that_reports_no_spans_counts_once() {
    let client = span(1, 0, "CLIENT", ("a", "b"), (10, 5_000), "");
    let server = span(3, 2, "SERVER", ("b", "a"), (11, 3_000), "");
    let count = |spans: &[&str]| edges(&format!("[{}]", spans.join(","))).matches(r#""count":1,"#).count();
    let once = edges(&format!("[{client},{server}]"));
    assert!(once.starts_with(r#"[{"caller":"a","callee":"b","kind":"rpc","count":1,"#), "{once}");
    assert!(once.ends_with(r#""p50":5.0,"p99":5.0}]"#), "by the client: {once}");
    assert_eq!((count(&[&client]), count(&[&server])), (1, 1), "each of them alone");
    let other = span(3, 2, "SERVER", ("b", "c"), (11, 3_000), "");
    assert_eq!(count(&[&client, &other]), 2, "of another caller");
}
