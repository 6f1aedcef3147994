//! Requests of web pages and hostile clients: a page can write nowhere, and the collector bounds its memory and keeps
//! accepting reports.

use std::{fmt::Write as _, time::SystemTime};

use futures_util::future::join_all;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use hyper_util::{client::legacy::Client as Legacy, rt::TokioExecutor};
use octet_proto::greeting::v3::GreetingRequest;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    client::{Client, grpc},
    platform::{Mesh, PROCESSES, peak_resident},
    process::Process,
};

/// The memory that the collector may use; the chart allows it twice as much.
const MAX_RESIDENT: u64 = 128 * 1024 * 1024;

const SPAN: &str = r#"[{"traceId":"00000000000000aa","id":"0000000000000001","name":"written","timestamp":1700000000000000,
    "duration":5,"localEndpoint":{"serviceName":"page"}}]"#;

/// What `octet audit` counts: documents of all services, messages, dead letters.
async fn stored(mesh: &Mesh) -> [u64; 3] {
    let output = mesh.audit().args(["--format", "json"]).output().await.expect("octet starts");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let documents = report["stores"].as_array().expect("stores").iter().map(|store| &store["documents"]);
    let documents = documents.map(|documents| documents.as_u64().expect("a number")).sum();
    let queue = &report["queues"][0];
    [documents, queue["ready"].as_u64().expect("a number"), queue["deadLettered"].as_u64().expect("a number")]
}

#[tokio::test]
async fn a_post_that_a_page_may_send_writes_into_no_store_queue_or_collector() {
    let mesh = Mesh::builder().with("OTEL_TRACES_EXPORTER", "none").start().await;
    let client = Client::new();
    let http2 = Legacy::builder(TokioExecutor::new()).http2_only(true).build_http();
    // What `fetch(url, {method: "POST", mode: "no-cors", body})` sends without a preflight. The body is an empty call.
    let post = |url: String, content_type: &str, body: &'static [u8]| {
        let request =
            Request::post(url).header("origin", "https://page.example").header("content-type", content_type);
        request.body(Full::from(body)).expect("a request")
    };
    let types = [
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ];
    for service in &PROCESSES[..8] {
        let url = format!("http://{}/greeting.v3.GreetingService/Greeting", mesh.address(service));
        for content_type in types {
            let reply = client.send(post(url.clone(), content_type, &[0; 5])).await.expect("a response");
            assert_eq!(
                reply.status,
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "{service} {content_type}: {:?}",
                reply.body
            );
            let reply = http2.request(post(url.clone(), content_type, &[0; 5])).await.expect("a response");
            assert_eq!(
                reply.status(),
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "{service} {content_type} over HTTP/2"
            );
        }
        let reply = client.send(post(url, "application/grpc", &[0; 5])).await.expect("a response");
        assert_eq!(reply.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{service}: gRPC over HTTP/1.1");
    }
    for content_type in types {
        let reply =
            client.send(post(mesh.url("/greeting.v3.GreetingService/Greeting"), content_type, &[0; 5])).await;
        assert!(reply.expect("a response").status.is_client_error(), "gateway {content_type}");
        for path in ["/api/v2/spans", "/api/v1/spans"] {
            let reply = client.send(post(mesh.collector(path), content_type, SPAN.as_bytes())).await;
            assert!(reply.expect("a response").status.is_client_error(), "collector{path} {content_type}");
        }
    }
    let reply = client.send(post(mesh.collector("/api/v2/spans"), "application/json", SPAN.as_bytes())).await;
    assert_eq!(reply.expect("a response").status, StatusCode::FORBIDDEN, "a report from another origin");

    assert_eq!(stored(&mesh).await, [0, 0, 0], "nothing is stored, queued or dead-lettered");
    let services: Value =
        serde_json::from_slice(&client.get(&mesh.collector("/api/v2/services")).await.body).expect("JSON");
    assert_eq!(services, json!([]), "the collector has no spans");
    // The same call as gRPC is served.
    grpc(&mesh.address("service-c")).greeting(GreetingRequest::default()).await.expect("greets");
    assert_eq!(stored(&mesh).await, [1, 0, 0]);
    mesh.end().await;
}

/// Traces of 20 spans each, as a report.
fn report(traces: std::ops::Range<u32>, now: u128) -> String {
    let mut spans = String::from("[");
    for trace in traces {
        for span in 1..=20 {
            let parent =
                if span == 1 { String::new() } else { format!(r#""parentId":"{:016x}","#, span - 1) };
            let comma = if spans.len() > 1 { "," } else { "" };
            write!(
                spans,
                r#"{comma}{{"traceId":"{:032x}","id":"{span:016x}",{parent}"kind":"SERVER","name":"get /api/greeting",
                "timestamp":{},"duration":{span}000,"localEndpoint":{{"serviceName":"service-{span}","ipv4":"127.0.0.1"}},
                "tags":{{"http.request.method":"GET","url.path":"/api/greeting","request":"{trace}-{span}"}}}}"#,
                trace + 1,
                now + u128::from(trace),
            )
            .expect("a string grows");
        }
    }
    spans + "]"
}

/// Sends a report and returns the status.
async fn send(client: &Client, address: &str, spans: String) -> StatusCode {
    let request =
        Request::post(format!("http://{address}/api/v2/spans")).header("content-type", "application/json");
    client.send(request.body(Full::from(spans)).expect("a request")).await.expect("a response").status
}

#[tokio::test]
async fn under_large_queries_and_unfinished_reports_the_collector_bounds_memory_and_accepts_reports() {
    const TRACES: u32 = 10_000;
    const TRACES_IN_A_REPORT: u32 = 50;
    let collector = Process::start(&["collector"], &[]).await;
    let (client, address) = (Client::new(), collector.address.clone());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_micros();
    for first in (0..TRACES).step_by(usize::try_from(TRACES_IN_A_REPORT).expect("small")) {
        let spans = report(first..first + TRACES_IN_A_REPORT, now);
        assert_eq!(send(&client, &address, spans).await, StatusCode::ACCEPTED);
    }

    let pid = collector.pid();
    // Queries whose responses are read, and queries whose responses are not.
    let query = "/api/v2/traces?limit=10000&lookback=86400000";
    let mut unread = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(&address).await.expect("connects");
        let request = format!("GET {query} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        stream.read_u8().await.expect("the response has started");
        unread.push(stream);
    }
    let url = format!("http://{address}{query}");
    let clients: Vec<_> = (0..8).map(|_| Client::new()).collect();
    for reply in join_all(clients.iter().map(|client| client.get(&url))).await {
        assert!(
            reply.status == StatusCode::OK || !reply.body.is_empty(),
            "{} without a reason",
            reply.status
        );
    }
    // Reports whose bodies do not end.
    let mut unfinished = Vec::new();
    for _ in 0..70 {
        let mut stream = TcpStream::connect(&address).await.expect("connects");
        let head = format!(
            "POST /api/v2/spans HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: 100000\r\n\r\n["
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        unfinished.push(stream);
    }
    for _ in 0..20 {
        assert_eq!(send(&client, &address, report(0..1, now)).await, StatusCode::ACCEPTED);
    }
    drop((unread, unfinished));
    let peak = peak_resident(pid);
    assert!(peak < MAX_RESIDENT, "{peak} bytes resident at the peak");
}
