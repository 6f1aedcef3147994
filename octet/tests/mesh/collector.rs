//! Traces, read through the gateway from the collector or from another Zipkin.

use std::{collections::BTreeMap, sync::Arc};

use http_body_util::Full;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    client::{Client, Reply},
    platform::{Mesh, OCTET, octet},
};

/// A call from a to b that failed in b.
const TRACE: &str = r#"[
 {"traceId":"00000000000000aa","id":"0000000000000001","kind":"CLIENT","name":"greet","timestamp":1000000000,"duration":5000,
  "localEndpoint":{"serviceName":"a"}},
 {"traceId":"00000000000000aa","id":"0000000000000002","parentId":"0000000000000001","kind":"SERVER","name":"greet",
  "timestamp":1000000100,"duration":4000,"localEndpoint":{"serviceName":"b"},"tags":{"error":"x"}}]"#;

fn value(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or_else(|error| panic!("{error}: {}", reply.text()))
}

async fn send(client: &Client, method: Method, url: String, body: &'static str) -> Reply {
    let request = Request::builder().method(method).uri(url).body(Full::from(body));
    client.send(request.expect("a request")).await.expect("a response")
}

#[tokio::test]
async fn spans_of_the_collector_are_read_through_the_gateway() {
    let mut mesh = Mesh::builder().with("OTEL_TRACES_EXPORTER", "none").start().await;
    let client = Client::new();
    let accepted = send(&client, Method::POST, mesh.collector("/api/v2/spans"), TRACE).await;
    assert_eq!(accepted.status, 202);

    let services = client.get(&mesh.url("/zipkin/api/v2/services")).await;
    assert_eq!((value(&services), services.header("content-type")), (json!(["a", "b"]), "application/json"));
    let trace = client.get(&mesh.url("/zipkin/api/v2/trace/00000000000000aa")).await;
    assert_eq!(value(&trace).as_array().expect("spans").len(), 2);
    let edges = client.get(&mesh.url("/api/mesh?lookback=5m")).await;
    let edge = json!({"caller":"a","callee":"b","kind":"rpc","count":1,"errors":1,"propagated":0,"cancelled":0,
                      "p50":5.0,"p99":5.0});
    let edges = value(&edges);
    assert_eq!(
        (&edges["sample"], &edges["traces"], &edges["edges"]),
        (&json!(false), &json!(1), &json!([edge]))
    );
    assert!(edges["completeSince"].as_u64() <= edges["from"].as_u64(), "{edges}");

    for (method, path, status, code) in [
        (Method::GET, "/zipkin/api/v2/trace/00000000000000ab", 404, 5),
        (Method::GET, "/zipkin/api/v2/trace/xyz", 400, 3),
        (Method::GET, "/zipkin/api/v2/%2e%2e/health", 404, 5),
        (Method::GET, "/zipkin/api/v1/spans", 404, 5),
        (Method::POST, "/zipkin/api/v2/spans", 405, 12),
        (Method::DELETE, "/api/mesh", 405, 12),
        (Method::GET, "/api/mesh?lookback=soon", 400, 3),
    ] {
        let reply = send(&client, method, mesh.url(path), "").await;
        assert_eq!((reply.status.as_u16(), reply.error().code), (status, code), "{path}: {}", reply.text());
    }

    // A restarted collector has no traces; everything else continues.
    mesh.kill("collector");
    mesh.prints("collector was killed by signal 9; restarting at once").await;
    client.becomes(&mesh.admin("collector", "/readyz"), StatusCode::OK).await;
    assert_eq!(value(&client.get(&mesh.url("/zipkin/api/v2/services")).await), json!([]));
    mesh.end().await;
}

#[tokio::test]
async fn another_zipkin_is_sampled_and_not_trusted() {
    let zipkin = Zipkin::start([
        (
            "/api/v2/traces",
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: a=b",
            format!("[{TRACE}]"),
        ),
        ("/api/v2/services", "HTTP/1.1 200 OK\r\ncontent-type: text/html", "<script>".to_owned()),
        (
            "/api/v2/dependencies",
            "HTTP/1.1 500 Oops\r\nx: y",
            "at org.zipkin.Secret(Stack.java:7)".to_owned(),
        ),
        ("/api/v2/spans", "HTTP/1.1 302 Found\r\nlocation: http://elsewhere/", String::new()),
        ("/api/v2/autocompleteKeys", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked", "no chunk".to_owned()),
    ])
    .await;
    let url = format!("http://{}", zipkin.address);
    let mesh =
        Mesh::builder().with("OTEL_TRACES_EXPORTER", "none").with("TRACE_QUERY_URL", url).start().await;
    let client = Client::new();

    let edges = value(&client.get(&mesh.url("/api/mesh?lookback=60000&endTs=1001000")).await);
    assert_eq!(
        (&edges["sample"], &edges["traces"], &edges["from"]),
        (&json!(true), &json!(1), &json!(1_000_000))
    );
    assert_eq!(edges["edges"][0]["callee"], "b");

    let request = Request::get(mesh.url("/zipkin/api/v2/services?x=1"))
        .header("authorization", "Bearer hunter2")
        .header("cookie", "session=hunter2")
        .header("x-request-id", "it-is-me");
    let page = client.send(request.body(Full::default()).expect("a request")).await.expect("a response");
    assert_eq!(page.header("content-type"), "text/plain; charset=utf-8", "never a page of another server");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let requests = zipkin.requests();
    let head = requests.iter().find(|head| head.contains("/services")).expect("a request");
    assert!(head.starts_with("GET /api/v2/services?x=1 ") && head.contains("it-is-me"), "{head}");
    assert!(!head.contains("hunter2"), "{head}");
    assert!(requests.iter().any(|head| head.contains("limit=500")), "{requests:?}");

    let traces = client.get(&mesh.url("/zipkin/api/v2/traces")).await;
    assert_eq!((traces.status.as_u16(), traces.header("set-cookie")), (200, ""));
    for (path, status, code) in [("dependencies", 503, 14), ("spans", 502, 13), ("autocompleteKeys", 503, 14)]
    {
        let reply = client.get(&mesh.url(&format!("/zipkin/api/v2/{path}"))).await;
        assert_eq!((reply.status.as_u16(), reply.error().code), (status, code), "{path}: {}", reply.text());
        assert!(!reply.text().contains("Secret") && !reply.text().contains("127.0.0.1"), "{}", reply.text());
    }
    mesh.end().await;
}

#[tokio::test]
async fn an_unreachable_trace_backend_is_reported_and_affects_nothing_else() {
    let unused = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let url = format!("http://{}", unused.local_addr().expect("bound"));
    drop(unused);
    let mesh =
        Mesh::builder().with("OTEL_TRACES_EXPORTER", "none").with("TRACE_QUERY_URL", url).start().await;
    let client = Client::new();
    for path in ["/zipkin/api/v2/services", "/api/mesh"] {
        let reply = client.get(&mesh.url(path)).await;
        assert_eq!((reply.status.as_u16(), reply.error().code), (503, 14), "{}", reply.text());
    }
    client.get(&mesh.url("/api/greeting")).await.answer().expect("greetings");
    mesh.end().await;
}

#[tokio::test]
async fn a_trace_backend_that_never_responds_times_out_after_ten_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let url = format!("http://{}", silent.local_addr().expect("bound"));
    let mesh =
        Mesh::builder().with("OTEL_TRACES_EXPORTER", "none").with("TRACE_QUERY_URL", url).start().await;
    let reply = Client::new().get(&mesh.url("/zipkin/api/v2/services")).await;
    assert_eq!((reply.status.as_u16(), reply.error().code), (504, 4), "{}", reply.text());
    drop(silent);
    mesh.end().await;
}

#[tokio::test]
async fn an_invalid_configuration_is_refused_with_the_name_of_each_variable() {
    for (arguments, variables) in [
        (&["collector"][..], &[("COLLECTOR_MEMORY", "lots"), ("PORT", "x")][..]),
        (&["gateway"], &[("TRACE_QUERY_URL", "https://zipkin"), ("PORT", "x")]),
        (&["up"], &[("TRACE_QUERY_URL", "zipkin:9411"), ("COLLECTOR_MEMORY", "1KiB")]),
    ] {
        let refused =
            octet().args(arguments).envs(variables.iter().copied()).output().await.expect("running");
        let text = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(64), "{OCTET} {arguments:?}: {text}");
        assert!(variables.iter().all(|(name, _)| text.contains(name)), "{text}");
    }
}

/// A stub that serves the given responses, and 404 for all other paths.
struct Zipkin {
    address: String,
    heads: Arc<std::sync::Mutex<Vec<String>>>,
}

impl Zipkin {
    async fn start<const N: usize>(answers: [(&'static str, &'static str, String); N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("bound").to_string();
        let heads = Arc::new(std::sync::Mutex::new(Vec::new()));
        let recorded = heads.clone();
        let answers: BTreeMap<_, _> =
            answers.into_iter().map(|(path, head, body)| (path, (head, body))).collect();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.expect("a head"));
                }
                let head = String::from_utf8(head).expect("text");
                let path = head.split([' ', '?']).nth(1).expect("a path").to_owned();
                recorded.lock().expect("unpoisoned").push(head);
                let unknown = ("HTTP/1.1 404 Not Found\r\ncontent-type: text/plain", String::new());
                let (head, body) = answers.get(path.as_str()).unwrap_or(&unknown);
                let answer = format!("{head}\r\nconnection: close\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).await.expect("answered");
            }
        });
        Self { address, heads }
    }

    fn requests(&self) -> Vec<String> {
        self.heads.lock().expect("unpoisoned").clone()
    }
}
