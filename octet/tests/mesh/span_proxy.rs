//! A proxy between the processes and the collector that loses some reports and sends others twice, and lists what it did.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, StatusCode, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

use crate::client::Client;

/// Every so many reports one is lost, and another one sent twice.
const PERIOD: usize = 8;

/// What the proxy did.
#[derive(Default)]
pub struct Done {
    /// Whether reports are lost and sent twice.
    pub is_hostile: bool,
    /// Where reports go; none until the platform runs.
    pub collector: Option<String>,
    reports: usize,
    /// The spans of the reports that were lost.
    pub lost: Vec<Value>,
    /// The spans of the reports that were sent twice.
    pub doubled: Vec<Value>,
    /// All spans that were sent on, by trace, as a backend that keeps each report has them.
    kept: HashMap<String, Vec<Value>>,
}

/// A running proxy, which also serves the traces of what it sent on. Dropping it stops it.
pub struct SpanProxy {
    pub address: SocketAddr,
    pub done: Arc<Mutex<Done>>,
    server: tokio::task::JoinHandle<()>,
}

impl SpanProxy {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let done = Arc::<Mutex<Done>>::default();
        let shared = done.clone();
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                let service = service_fn(move |request| handle(shared.clone(), request));
                connections.spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    builder.serve_connection(TokioIo::new(stream), service).await.ok();
                });
            }
        });
        Self { address, done, server }
    }
}

impl Drop for SpanProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn handle(
    done: Arc<Mutex<Done>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::GET {
        let id = request.uri().path().rsplit('/').next().expect("an id").to_owned();
        let kept = done.lock().expect("unpoisoned").kept.get(&id).cloned();
        let body = kept.map(|spans| Bytes::from(Value::from(spans).to_string()));
        let mut response = Response::new(Full::new(body.clone().unwrap_or_default()));
        if body.is_none() {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        return Ok(response);
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a complete body").to_bytes();
    let spans: Vec<Value> = serde_json::from_slice(&body).expect("a list of spans");
    let (times, collector) = {
        let mut done = done.lock().expect("unpoisoned");
        done.reports += 1;
        let times = match (done.is_hostile, done.reports % PERIOD) {
            (true, 0) => {
                done.lost.extend(spans.clone());
                0
            }
            (true, 4) => {
                done.doubled.extend(spans.clone());
                2
            }
            _ => 1,
        };
        for span in (0..times).flat_map(|_| spans.clone()) {
            let id = span["traceId"].as_str().expect("an id").to_owned();
            done.kept.entry(id).or_default().push(span);
        }
        (times, done.collector.clone())
    };
    for _ in 0..times {
        let Some(collector) = &collector else { continue };
        let mut request = Request::post(collector).body(Full::new(body.clone())).expect("a request");
        *request.headers_mut() = parts.headers.clone();
        request.headers_mut().remove("host");
        let reply = Client::new().send(request).await.expect("a reply");
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.text());
    }
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
