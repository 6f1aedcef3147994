//! The line that a request leaves.

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt};

use crate::{
    client::{ask, get},
    gateway::Gateway,
};

/// What was logged as answered, a text for each line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).expect("a String takes it");
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
async fn a_request_leaves_one_line_with_its_end_and_without_its_query() {
    let lines = Lines::default();
    let _installed = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let gateway = Gateway::start().await;
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
    assert!(!lines[3].contains("grpc_code"), "no RPC, no code: {}", lines[3]);
}
