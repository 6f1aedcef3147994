//! The cost of many spans, in a process of its own so that its memory can be measured.
//!
//! The figures: `cargo test --release -p octet-collector --test scale -- --nocapture`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failing helper fails its test"
)]

#[path = "../api/peer.rs"]
#[allow(dead_code, clippy::indexing_slicing, reason = "shared with the tests of the API")]
mod peer;

use std::{fmt::Write as _, fs, time::Instant};

use crate::peer::Peer;

const TRACES: u64 = 5_000;
const SPANS: u64 = 20;

/// A trace of 20 spans, like those of the mesh.
fn trace(number: u64, spans: &mut String) {
    for id in 1..=SPANS {
        let kind = if id % 2 == 1 { "SERVER" } else { "CLIENT" };
        let separator = if spans.len() > 1 { "," } else { "" };
        let parent = if id == 1 { String::new() } else { format!(r#""parentId":"{:016x}","#, id - 1) };
        write!(
            spans,
            r#"{separator}{{"traceId":"{number:016x}{number:016x}","id":"{id:016x}",{parent}"kind":"{kind}",
              "name":"greeting.v3.greetingservice/greeting","timestamp":{},"duration":{},
              "localEndpoint":{{"serviceName":"service-{}","ipv4":"127.0.0.1","port":50051}},
              "remoteEndpoint":{{"serviceName":"service-{}"}},
              "tags":{{"rpc.system":"grpc","rpc.service":"greeting.v3.GreetingService","rpc.method":"Greeting",
                       "rpc.grpc.status_code":"0","greeting.id":"{number:032x}"}}}}"#,
            number * 1_000_000 + id,
            1_000 + number % 977,
            id / 2,
            id / 2 + 1
        )
        .expect("written");
    }
}

#[tokio::test]
async fn a_hundred_thousand_spans_are_searched_quickly_and_their_memory_is_estimated_well() {
    let peer = Peer::with(&[("COLLECTOR_MEMORY", "256MiB")]).await;
    let before = resident();
    let mut posting = std::time::Duration::ZERO;
    for batch in 0..TRACES / 50 {
        let mut spans = String::from("[");
        (1..=50).for_each(|number| trace(batch * 50 + number, &mut spans));
        spans.push(']');
        let started = Instant::now();
        peer.report(spans).await;
        posting += started.elapsed();
    }
    let kept = peer.metric(r#"octet_collector_kept{what="spans"}"#).await;
    assert_eq!(kept, TRACES * SPANS);
    let estimate = peer.metric(r#"octet_collector_kept{what="bytes"}"#).await;
    let real = resident() - before;
    println!("{kept} spans: {posting:?} to take, estimate {estimate} bytes, resident {real} bytes more");
    // Reports use the same memory, and the allocator keeps some, so the estimate can be a little low.
    assert!(estimate * 3 > real * 2 && estimate * 2 < real * 3, "estimate {estimate}, resident {real}");

    let window = format!("endTs={}&lookback={}", TRACES * 1_000 + 1_000, TRACES * 1_000 + 1_000);
    for (path, limit) in [
        ("/api/v2/services".to_owned(), 100),
        (format!("/api/v2/traces?{window}&serviceName=service-3&limit=10"), 1_000),
        (format!("/api/v2/traces?{window}&annotationQuery=no.such.tag"), 5_000),
        (format!("/api/v2/traces?{window}&serviceName=nobody"), 5_000),
        (format!("/api/v2/dependencies?{window}"), 20_000),
        (format!("/api/v2/mesh?{window}"), 20_000),
        (format!("/api/v2/trace/{:016x}{:016x}", TRACES / 2, TRACES / 2), 100),
    ] {
        let started = Instant::now();
        peer.json(&path).await;
        let took = started.elapsed();
        println!("{took:>12?} {path}");
        // Generous, for debug builds on busy machines; a search of quadratic time would exceed it.
        assert!(took.as_millis() < limit, "{path} took {took:?}");
    }
    peer.stop().await;
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm.split(' ').nth(1).expect("resident").parse().expect("a number");
    pages * u64::try_from(rustix::param::page_size()).expect("small")
}
