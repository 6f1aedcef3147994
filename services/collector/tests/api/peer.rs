//! A collector under test, and a client of it.

use std::{collections::BTreeMap, io::Write as _};

use axum::body::{Body, Bytes};
use flate2::{Compression, write::GzEncoder};
use http_body_util::BodyExt as _;
use hyper::{Request, Response, StatusCode};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use octet_collector::{CollectorSettings, run_on};
use octet_runtime::{
    drain::{Drain, DrainTrigger},
    environment::Environment,
};
use serde_json::Value;
use tokio::task::JoinHandle;

pub(crate) struct Peer {
    pub(crate) address: String,
    admin: String,
    pub(crate) otlp_grpc: String,
    pub(crate) otlp_http: String,
    client: Client<HttpConnector, Body>,
    drain: DrainTrigger,
    serving: JoinHandle<()>,
}

impl Peer {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(variables: &[(&str, &str)]) -> Self {
        let ports =
            ["PORT", "ADMIN_PORT", "OTLP_GRPC_PORT", "OTLP_HTTP_PORT"].map(|name| (name, "127.0.0.1:0"));
        let variables: BTreeMap<String, String> = ports
            .iter()
            .chain(variables)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let mut environment = Environment::new(&variables);
        let settings = CollectorSettings::from_environment(&mut environment);
        let settings = environment.finish(settings).expect("valid");
        let ports = settings.bind().await.expect("bound");
        let address = |listener: &tokio::net::TcpListener| listener.local_addr().expect("bound").to_string();
        let (main, admin) = (address(&ports.process.main), address(&ports.process.admin));
        let (otlp_grpc, otlp_http) = (address(&ports.otlp_grpc), address(&ports.otlp_http));
        let (trigger, drain) = Drain::on_trigger(std::time::Duration::ZERO);
        let serving = tokio::spawn(async { run_on(ports, settings, drain).await.expect("served") });
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { address: main, admin, otlp_grpc, otlp_http, client, drain: trigger, serving }
    }

    /// Stops it, and waits until it has stopped.
    pub(crate) async fn stop(self) {
        self.drain.start();
        drop(self.client);
        self.serving.await.expect("stopped");
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        Reply::of(self.client.request(request).await.expect("an answer")).await
    }

    pub(crate) async fn post(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        let mut request = Request::post(format!("http://{}/api/v2/spans", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).expect("a request")).await
    }

    /// Posts spans that must all be accepted.
    pub(crate) async fn report(&self, spans: impl Into<Body>) {
        let reply = self.post(&[("content-type", "application/json")], spans).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (202, String::new()));
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        let request = Request::get(format!("http://{}{path}", self.address));
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    /// The JSON of an answer, which must be 200.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let reply = self.get(path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text());
        reply.json()
    }

    /// The value of a series.
    pub(crate) async fn metric(&self, series: &str) -> u64 {
        let request = Request::get(format!("http://{}/metrics", self.admin)).body(Body::empty());
        let text = self.send(request.expect("a request")).await.text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().expect("a number")
    }
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: hyper::HeaderMap,
    body: Bytes,
}

impl Reply {
    async fn of(response: Response<hyper::body::Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

/// A span with the required members and `rest`.
pub(crate) fn span(trace: u64, id: u64, rest: &str) -> String {
    format!(r#"{{"traceId":"{trace:016x}","id":"{id:016x}"{rest}}}"#)
}
