//! The log line and the metrics of a request.

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};

use octet_testbed::eventually;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt};

use crate::{
    client::{ask, get},
    gateway::Gateway,
};

/// The `answered` lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).expect("writing to a String");
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        if text.0.contains("message=answered") {
            self.0.lock().expect("whole").push(text.0);
        }
    }
}

#[tokio::test]
async fn a_request_is_logged_once_with_its_outcome_and_without_its_query() {
    let lines = Lines::default();
    // With a single dispatcher, tracing asks only the thread that logs first, which can be another test's.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _installed = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let gateway = Gateway::start().await;
    // Another test may just be registering the callsite, without a subscriber.
    eventually("a logged request", async || {
        tracing::callsite::rebuild_interest_cache();
        get(&gateway, "/api/health").await;
        !lines.0.lock().expect("whole").is_empty()
    })
    .await;
    lines.0.lock().expect("whole").clear();

    let headers = [("X-Forwarded-For", "203.0.113.9")];
    ask(&gateway, "GET", "/v1/everything?stringValue=hunter2", &headers, "").await;
    get(&gateway, "/v1/shelves/fail-5").await;
    get(&gateway, "/v1/shelves/2-fail:watch").await;
    get(&gateway, "/api/topology").await;

    let lines = lines.0.lock().expect("whole").clone();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    for (line, parts) in lines.iter().zip([
        &["method=GET", "path=\"/v1/everything\"", "status=200", "grpc_code=0", "client=203.0.113.9"][..],
        &["path=\"/v1/shelves/fail-5\"", "status=404", "grpc_code=5", "bytes=", "duration_us="],
        &["path=\"/v1/shelves/2-fail:watch\"", "status=200", "grpc_code=5", "client=127.0.0.1"],
        &["path=\"/api/topology\"", "status=200"],
    ]) {
        for part in parts {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(!line.contains("hunter2"), "{line}");
    }
    assert!(!lines[3].contains("grpc_code"), "without an RPC there is no code: {}", lines[3]);
}

#[tokio::test]
async fn every_route_has_a_series_and_unknown_paths_share_one() {
    let gateway = Gateway::start().await;
    for path in ["/api/health", "/api/status/503", "/v1/shelves/one", "/docs/", "/made/up", "/api/made/up"] {
        get(&gateway, path).await;
    }
    ask(&gateway, "POST", "/api/health", &[], "").await;
    let metrics = get(&gateway, "/api/metrics").await.text();
    let counts = |method: &str, route: &str, status: &str| {
        let labels = format!(
            "http_request_method=\"{method}\",http_response_status_code=\"{status}\",http_route=\"{route}\""
        );
        let line = metrics.lines().find(|line| {
            line.starts_with("http_server_request_duration_seconds_count") && line.contains(&labels)
        });
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
    };
    for (method, route, status, count) in [
        ("GET", "/api/health", "200", 1),
        ("POST", "/api/health", "405", 1),
        ("GET", "/api/status/{code}", "5xx", 1),
        ("GET", "/v1/shelves/{shelf}", "200", 1),
        ("GET", "", "404", 2),
    ] {
        assert_eq!(counts(method, route, status), count, "{method} {route} {status}: {metrics}");
    }
    assert!(!metrics.contains("/made"), "a client's path became a series: {metrics}");
}
