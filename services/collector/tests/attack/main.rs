//! The memory of a collector under attack, in a process of its own so that it can be measured.
//!
//! The figures: `cargo test --release -p octet-collector --test attack -- --nocapture`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failing helper fails its test"
)]

#[path = "../api/peer.rs"]
#[allow(dead_code, clippy::indexing_slicing, reason = "shared with the tests of the API")]
mod peer;

use std::{fmt::Write as _, fs, io::Write as _};

use axum::body::Bytes;
use flate2::{Compression, write::GzEncoder};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use crate::peer::Peer;

const MIB: u64 = 1024 * 1024;

/// The limit of the chart's collector is twice as high.
const LIMIT: u64 = 128 * MIB;

const EVERYTHING: &str = "endTs=100000000&lookback=100000000";

/// A report of traces with the shape of Octet's own, whose texts are unique where Octet's are.
fn report(first: u64, traces: u64) -> Bytes {
    let mut spans = String::from("[");
    for trace in first..first + traces {
        for id in 1..=20 {
            let separator = if spans.len() > 1 { "," } else { "" };
            let kind = if id % 2 == 1 { "SERVER" } else { "CLIENT" };
            write!(
                spans,
                r#"{separator}{{"traceId":"{trace:016x}{trace:016x}","id":"{id:016x}","parentId":"{:016x}","kind":"{kind}",
                  "name":"greeting.v3.greetingservice/greeting","timestamp":{},"duration":{},
                  "localEndpoint":{{"serviceName":"service-{}","ipv4":"127.0.0.1","port":50051}},
                  "remoteEndpoint":{{"serviceName":"service-{}"}},
                  "tags":{{"rpc.system":"grpc","rpc.service":"greeting.v3.GreetingService","rpc.method":"Greeting",
                           "rpc.grpc.status_code":"0","greeting.id":"{trace:032x}","n":"{trace} {id}"}}}}"#,
                id / 2,
                trace * 1_000 + id,
                1_000 + trace % 977,
                id / 2,
                id / 2 + 1
            )
            .expect("written");
        }
    }
    spans.push(']');
    Bytes::from(spans)
}

/// Reads an answer to its end, and returns its size.
async fn read(address: String, path: String) -> usize {
    let mut stream = query(&address, &path).await;
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        size += read;
    }
    size
}

async fn query(address: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream
}

/// Sends the start of a report of 9 MiB.
async fn start_report(address: String, part: Bytes) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let head = "POST /api/v2/spans HTTP/1.1\r\nhost: z\r\ncontent-type: application/json\r\ncontent-length: 9437184\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    // The collector closes a connection whose body it gives up.
    let _ = stream.write_all(&part).await;
    stream
}

#[tokio::test]
async fn memory_stays_within_its_limit_through_every_attack() {
    let peer = Peer::start().await;
    let mut first = 1;
    while peer.metric("octet_collector_evicted_traces_total").await < 500 {
        peer.report(report(first, 100)).await;
        first += 100;
    }
    show("full");

    let traces = format!("/api/v2/traces?{EVERYTHING}&limit=10000");
    let mut readers = JoinSet::new();
    for path in [&traces, "/api/v2/mesh?endTs=100000000&lookback=100000000", "/api/v2/autocompleteKeys"] {
        for _ in 0..8 {
            readers.spawn(read(peer.address.clone(), path.to_owned()));
        }
    }
    while let Some(size) = readers.join_next().await {
        assert!(size.expect("read") > 100);
    }
    show("8 readers of everything");

    let mut unread = Vec::new();
    for _ in 0..16 {
        unread.push(query(&peer.address, &format!("/api/v2/traces?{EVERYTHING}&limit=1000")).await);
    }
    let part = Bytes::from(vec![b' '; 4 * 1024 * 1024]);
    let mut senders = JoinSet::new();
    for _ in 0..70 {
        senders.spawn(start_report(peer.address.clone(), part.clone()));
    }
    let mut unfinished = Vec::new();
    while let Some(stream) = senders.join_next().await {
        unfinished.push(stream.expect("sent"));
    }
    peer.report(report(first, 100)).await;
    first += 100;
    show("16 readers that do not read, 70 bodies that do not end");

    drop((unread, unfinished));
    // Few bytes that decompress to many: spaces, small spans, and small texts.
    let size = 10 * 1024 * 1024;
    let spaces = bomb("[", "]", size, |_| "          ".to_owned());
    let spans = bomb("[{}", "]", size, |id| format!(r#",{{"traceId":"{id:x}","id":"{id:x}"}}"#));
    let start = r#"[{"traceId":"1","id":"1","annotations":[{"timestamp":1,"value":""}"#;
    let texts = bomb(start, "]}]", 1_000_000, |text| format!(r#",{{"timestamp":1,"value":"{text:x}"}}"#));
    for bomb in [spaces, spans, texts] {
        let headers = [("content-encoding", "gzip"), ("content-type", "application/json")];
        for _ in 0..2 {
            assert!(peer.post(&headers, bomb.clone()).await.status.as_u16() < 500);
        }
    }
    peer.report(report(first, 100)).await;
    show("gzip bombs");
    peer.stop().await;
}

/// `start`, as many items as fit into `size` bytes, and `end`, compressed.
fn bomb(start: &str, end: &str, size: usize, item: impl Fn(usize) -> String) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(start.as_bytes()).expect("compressed");
    let mut left = size - start.len() - end.len();
    for number in 1.. {
        let item = item(number);
        let Some(rest) = left.checked_sub(item.len()) else { break };
        left = rest;
        encoder.write_all(item.as_bytes()).expect("compressed");
    }
    encoder.write_all(end.as_bytes()).expect("compressed");
    encoder.finish().expect("compressed").into()
}

/// Checks the largest memory of this process until now, and prints it.
fn show(what: &str) {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    println!("peak of {:>4} MiB after: {what}", peak / 1024);
    assert!(peak * 1024 < LIMIT, "{} MiB after: {what}", peak / 1024);
}
