//! Attacks on the gateway and the collector. Each repeats itself until it is dropped; the platform may refuse any of it.

use std::{future::Future, net::Ipv4Addr, pin::Pin, time::Duration};

use http_body_util::Full;
use hyper::{Method, Request};
use octet_testbed::http2_frames::{frame, literal};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{interval, sleep},
};

use crate::{client::Client, platform::Mesh};

/// How long an attack holds what it has opened before it starts again.
const HOLD: Duration = Duration::from_secs(2);

/// The attacker's address: to the platform, another client than the honest users.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// An attack with its name.
pub(super) type Attack = (&'static str, fn(Targets) -> Pin<Box<dyn Future<Output = ()> + Send>>);

pub(super) const ATTACKS: [Attack; 6] = [
    ("unread calls", |targets| Box::pin(unread_calls(targets))),
    ("unread metrics", |targets| Box::pin(unread_metrics(targets))),
    ("watches and slow bodies", |targets| Box::pin(watches_and_slow_bodies(targets))),
    ("trace queries and endless reports", |targets| Box::pin(trace_queries_and_endless_reports(targets))),
    ("partial prefaces", |targets| Box::pin(partial_prefaces(targets))),
    ("JSON that decodes to much more", |targets| Box::pin(wide_json(targets))),
];

/// The addresses of what is attacked.
#[derive(Clone)]
pub(super) struct Targets {
    gateway: String,
    collector: String,
}

impl Targets {
    pub(super) fn of(mesh: &Mesh) -> Self {
        let address = |url: String| url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { gateway: address(mesh.url("/")), collector: address(mesh.collector("/")) }
    }
}

async fn connect(address: &str) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind((ATTACKER, 0).into()).ok()?;
    socket.connect(address.parse().expect("an address")).await.ok()
}

/// An HTTP/2 client that sends one request many times and, where `window` is zero, reads none of the responses.
async fn http2(address: &str, window: u8, method: &str, path: &str, requests: u32) -> Option<TcpStream> {
    let is_call = method == "POST";
    let head = [(":method", method), (":scheme", "http"), (":authority", address), (":path", path)];
    let call = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "1H")];
    let fields = head.iter().chain(call.iter().filter(|_| is_call));
    let block: Vec<u8> = fields.flat_map(|(name, value)| literal(name, value)).collect();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[0, 4, 0, 0, window, 0]));
    for number in 0..requests {
        let stream = 2 * number + 1;
        bytes.extend(frame(1, if is_call { 4 } else { 5 }, stream, &block));
        if is_call {
            bytes.extend(frame(0, 1, stream, &[0; 5]));
        }
    }
    let mut stream = connect(address).await?;
    stream.write_all(&bytes).await.ok()?;
    Some(stream)
}

/// An HTTP/1.1 client that sends the start of a request.
async fn start(address: &str, start: &str) -> Option<TcpStream> {
    let mut stream = connect(address).await?;
    stream.write_all(start.as_bytes()).await.ok()?;
    Some(stream)
}

async fn unread_calls(targets: Targets) {
    loop {
        // As many as the gateway admits of all clients.
        let mut open = Vec::new();
        for _ in 0..4 {
            let path = "/greeting.v3.GreetingService/Greeting";
            open.push(http2(&targets.gateway, 0, "POST", path, 128).await);
        }
        sleep(HOLD).await;
    }
}

async fn unread_metrics(targets: Targets) {
    let client = Client::from(ATTACKER);
    loop {
        // Responses of many kinds would make the page long.
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS]
        {
            for status in (200..600).step_by(20) {
                let url = format!("http://{}/api/status/{status}", targets.gateway);
                let request = Request::builder().method(&method).uri(url).body(Full::default());
                let _ = client.send(request.expect("a request")).await;
            }
        }
        let _open = http2(&targets.gateway, 0, "GET", "/api/metrics", 125).await;
        sleep(HOLD).await;
    }
}

async fn watches_and_slow_bodies(targets: Targets) {
    let head =
        "POST /api/request-echo HTTP/1.1\r\nhost: x\r\ngrpc-timeout: 1H\r\ncontent-length: 100000\r\n\r\nx";
    loop {
        let mut open = Vec::new();
        for window in [0, 1, 1] {
            open.push(http2(&targets.gateway, window, "POST", "/grpc.health.v1.Health/Watch", 100).await);
        }
        for _ in 0..200 {
            open.push(start(&targets.gateway, head).await);
        }
        sleep(HOLD).await;
    }
}

async fn trace_queries_and_endless_reports(targets: Targets) {
    let report = "POST /api/v2/spans HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                  content-length: 9000000\r\n\r\n[";
    let query = "/api/v2/traces?limit=10000&lookback=86400000";
    loop {
        let mut open = Vec::new();
        for _ in 0..70 {
            open.push(start(&targets.collector, report).await);
        }
        let mut readers = JoinSet::new();
        for (address, path) in
            [(&targets.collector, query.to_owned()), (&targets.gateway, format!("/zipkin{query}"))]
        {
            let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
            for _ in 0..8 {
                let (address, request) = (address.clone(), request.clone());
                readers.spawn(async move {
                    let mut stream = start(&address, &request).await?;
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(1..) = stream.read(&mut buffer).await {}
                    Some(())
                });
            }
        }
        sleep(HOLD).await;
    }
}

async fn partial_prefaces(targets: Targets) {
    let mut ticks = interval(Duration::from_millis(9));
    loop {
        ticks.tick().await;
        drop(start(&targets.gateway, "P").await);
    }
}

async fn wide_json(targets: Targets) {
    let client = Client::from(ATTACKER);
    let body = format!("{{\"listValue\":[{}[]]}}", "[],".repeat(340_000));
    loop {
        for path in ["/api/request-echo", "/api/greeting", "/greeting.v3.GreetingService/Greeting"] {
            let request = Request::post(format!("http://{}{path}", targets.gateway))
                .header("content-type", "application/json")
                .body(Full::from(body.clone()));
            let _ = client.send(request.expect("a request")).await;
        }
        sleep(Duration::from_millis(100)).await;
    }
}
