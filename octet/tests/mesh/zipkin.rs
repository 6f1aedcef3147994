//! A stub of Zipkin that records every span it receives.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use octet_testbed::eventually;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

/// A running stub. Dropping it stops it.
pub struct Zipkin {
    pub address: SocketAddr,
    spans: Arc<Mutex<Vec<Value>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Zipkin {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let spans = Arc::<Mutex<Vec<Value>>>::default();
        let recorded = spans.clone();
        let server = tokio::spawn(async move {
            // Aborted with the server, so that a dropped stub no longer responds.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let recorded = recorded.clone();
                let service = service_fn(move |request| take(recorded.clone(), request));
                connections.spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    builder.serve_connection(TokioIo::new(stream), service).await.ok();
                });
            }
        });
        Self { address, spans, server }
    }

    /// The variables with which a platform reports here without delay.
    pub fn environment(&self) -> [(&'static str, String); 3] {
        [
            ("OTEL_TRACES_EXPORTER", "zipkin".to_owned()),
            ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", format!("http://{}/api/v2/spans", self.address)),
            ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
        ]
    }

    pub fn spans(&self) -> Vec<Value> {
        self.spans.lock().expect("unpoisoned").clone()
    }

    /// Waits for this many spans of a trace.
    pub async fn trace(&self, id: &str, spans: usize) -> Vec<Value> {
        eventually(&format!("{spans} spans of a trace arrive"), async || {
            let trace: Vec<Value> = self.spans().into_iter().filter(|span| span["traceId"] == id).collect();
            if trace.len() >= spans { Ok(trace) } else { Err(format!("{}:\n{}", trace.len(), tree(&trace))) }
        })
        .await
    }

    /// Waits for a span of the gateway, and returns the id of its trace.
    pub async fn trace_id(&self) -> String {
        eventually("a span of the gateway arrives", async || {
            let spans = self.spans();
            let gateway = spans.iter().find(|span| span["localEndpoint"]["serviceName"] == "gateway");
            gateway.and_then(|span| span["traceId"].as_str()).map(str::to_owned)
        })
        .await
    }
}

impl Drop for Zipkin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(
    spans: Arc<Mutex<Vec<Value>>>,
    request: Request<Incoming>,
) -> Result<Response<Full<hyper::body::Bytes>>, Infallible> {
    assert_eq!(request.uri().path(), "/api/v2/spans");
    let mut response = Response::new(Full::default());
    // Its spans are compared as they were sent, which JSON shows.
    if request.headers()["content-type"] == "application/x-protobuf" {
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Ok(response);
    }
    assert_eq!(request.headers()["content-type"], "application/json");
    let body = request.into_body().collect().await.expect("a complete body").to_bytes();
    let batch: Vec<Value> = serde_json::from_slice(&body).expect("a list of spans");
    spans.lock().expect("unpoisoned").extend(batch);
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// A trace as text: each span below its parent, siblings sorted; `?` before spans whose parent is missing.
pub fn tree(trace: &[Value]) -> String {
    let mut children: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for span in trace {
        let parent = span["parentId"].as_str().unwrap_or_default();
        let is_known = parent.is_empty() || trace.iter().any(|other| other["id"] == parent);
        children.entry(if is_known { parent } else { "?" }).or_default().push(span);
    }
    let mut text = String::new();
    branch(&children, "", 0, &mut text);
    for orphan in children.get("?").into_iter().flatten() {
        writeln!(text, "? {}", line(orphan)).expect("a string grows");
    }
    text
}

fn branch(children: &BTreeMap<&str, Vec<&Value>>, parent: &str, depth: usize, text: &mut String) {
    let mut spans = children.get(parent).cloned().unwrap_or_default();
    spans.sort_by_key(|span| line(span));
    for span in spans {
        writeln!(text, "{}{}", "  ".repeat(depth), line(span)).expect("a string grows");
        branch(children, span["id"].as_str().expect("an id"), depth + 1, text);
    }
}

/// `service KIND name → remote`, or `← caller`.
fn line(span: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let remote = text(&span["remoteEndpoint"]["serviceName"]);
    let arrow = if span["kind"] == "SERVER" { "←" } else { "→" };
    let remote = if remote.is_empty() { remote } else { format!(" {arrow} {remote}") };
    // A collector returns names in lower case.
    let name = text(&span["name"]).replace("greeting.v3.GreetingService/", "");
    let name = name.replace("greeting.v3.greetingservice/", "");
    format!("{} {} {name}{remote}", text(&span["localEndpoint"]["serviceName"]), text(&span["kind"]))
}
