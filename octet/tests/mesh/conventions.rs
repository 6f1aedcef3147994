//! The names of attributes: OpenTelemetry's stable ones, and the earlier ones where the environment asks for both.

use serde_json::Value;

use crate::{
    client::Client,
    platform::Mesh,
    traces::{SPANS, TREE},
    zipkin::{Zipkin, tree},
};

/// A span of the tree, and its tags by the stable conventions.
const STABLE: [(&str, &[(&str, &str)]); 3] = [
    ("GET /api/greeting", &[("http.request.method", "GET"), ("http.response.status_code", "200")]),
    (
        "greeting.v3.GreetingService/Greeting",
        &[
            ("rpc.system.name", "grpc"),
            ("rpc.method", "greeting.v3.GreetingService/Greeting"),
            ("rpc.response.status_code", "OK"),
        ],
    ),
    (
        "insert greetings",
        &[("db.system.name", "sqlite"), ("db.operation.name", "insert"), ("db.collection.name", "greetings")],
    ),
];

/// The same by the earlier ones.
const EARLIER: [(&str, &[(&str, &str)]); 3] = [
    (
        "GET /api/greeting",
        &[
            ("http.method", "GET"),
            ("http.status_code", "200"),
            ("http.scheme", "http"),
            ("http.target", "/api/greeting"),
            ("net.host.name", "127.0.0.1"),
            ("net.protocol.version", "1.1"),
            ("net.sock.peer.addr", "127.0.0.1"),
            ("http.client_ip", "127.0.0.1"),
        ],
    ),
    (
        "greeting.v3.GreetingService/Greeting",
        &[
            ("rpc.system", "grpc"),
            ("rpc.service", "greeting.v3.GreetingService"),
            ("rpc.grpc.status_code", "0"),
        ],
    ),
    (
        "insert greetings",
        &[("db.system", "sqlite"), ("db.operation", "insert"), ("db.sql.table", "greetings")],
    ),
];

/// The spans of one greeting.
async fn trace(opt_in: &str) -> Vec<Value> {
    let zipkin = Zipkin::start().await;
    let mut builder = Mesh::builder().with("OTEL_SEMCONV_STABILITY_OPT_IN", opt_in);
    for (name, value) in zipkin.environment() {
        builder = builder.with(name, value);
    }
    let mesh = builder.start().await;
    Client::new().get(&mesh.url("/api/greeting")).await.answer().expect("a valid answer");
    let id = zipkin.trace_id().await;
    let spans = zipkin.trace(&id, SPANS).await;
    mesh.end().await;
    spans
}

/// Checks each span of the names; `is_set` says whether it has the tags.
#[track_caller]
fn check(spans: &[Value], expected: [(&str, &[(&str, &str)]); 3], is_set: bool) {
    for (name, tags) in expected {
        let of_name: Vec<_> = spans.iter().filter(|span| span["name"] == name).collect();
        assert!(!of_name.is_empty(), "no span {name}");
        for (span, (tag, value)) in of_name.iter().flat_map(|span| tags.iter().map(move |tag| (span, tag))) {
            let found = span["tags"].get(tag).and_then(Value::as_str);
            assert_eq!(found, is_set.then_some(*value), "{tag} of {span}");
        }
    }
}

#[tokio::test]
async fn spans_have_the_stable_names_alone() {
    for opt_in in ["", "http,database,rpc"] {
        let spans = trace(opt_in).await;
        check(&spans, STABLE, true);
        check(&spans, EARLIER, false);
        // A span's name is made of its operation.
        for span in &spans {
            let tag = |name: &str| span["tags"].get(name).and_then(Value::as_str);
            let expected = match (tag("db.operation.name"), tag("messaging.operation.name")) {
                (Some(operation), _) => {
                    format!("{operation} {}", tag("db.collection.name").expect("a collection"))
                }
                (_, Some(operation)) => {
                    format!("{operation} {}", tag("messaging.destination.name").expect("a queue"))
                }
                _ => match tag("rpc.method") {
                    Some(method) => method.to_owned(),
                    None => format!(
                        "{} {}",
                        tag("http.request.method").expect("a method"),
                        tag("http.route").expect("a route")
                    ),
                },
            };
            assert_eq!(span["name"], expected, "{span}");
        }
    }
}

#[tokio::test]
async fn spans_have_both_names_where_the_environment_asks_for_both() {
    let spans = trace("http/dup,database/dup,rpc/dup").await;
    assert_eq!(tree(&spans), TREE);
    check(&spans, STABLE, true);
    check(&spans, EARLIER, true);
}
