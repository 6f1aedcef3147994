//! Senders and readers that want more than their share.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use octet_testbed::eventually;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::yield_now,
    time::timeout,
};

use crate::peer::{Peer, span};

const PATIENCE: Duration = Duration::from_mins(1);

/// Starts a report of `length` bytes, and sends `body`.
async fn start_report(peer: &Peer, length: usize, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(&peer.address).await.expect("connected");
    let head = format!(
        "POST /api/v2/spans HTTP/1.1\r\nhost: z\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    // The collector closes a connection whose body it does not want.
    let _ = stream.write_all(body).await;
    stream
}

/// The status of the answer that comes on `stream`.
async fn status(stream: &mut TcpStream) -> String {
    let mut answer = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("in time").expect("answered");
    String::from_utf8_lossy(&answer[9..]).into_owned()
}

/// Starts a query, and reads nothing.
async fn start_query(peer: &Peer, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&peer.address).await.expect("connected");
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes())
        .await
        .expect("sent");
    stream
}

/// `traces` traces, each with a tag of `size` bytes, in reports of about a mebibyte. The tag is the same for all of them.
async fn fill(peer: &Peer, traces: u64, size: usize) {
    let tag = "x".repeat(size);
    let per_report = u64::try_from((1024 * 1024 / size).max(1)).expect("small");
    for first in (1..=traces).step_by(usize::try_from(per_report).expect("small")) {
        let spans: Vec<String> = (first..(first + per_report).min(traces + 1))
            .map(|trace| {
                let rest = format!(
                    r#","timestamp":{},"localEndpoint":{{"serviceName":"a"}},"tags":{{"t":"{tag}"}}"#,
                    1_000_000 + trace
                );
                span(trace, 1, &rest)
            })
            .collect();
        peer.report(format!("[{}]", spans.join(","))).await;
    }
}

const EVERYTHING: &str = "endTs=100000&lookback=100000";

#[tokio::test]
async fn bodies_that_never_end_do_not_keep_out_other_reports() {
    let peer = Peer::start().await;
    let mut unfinished = Vec::new();
    for _ in 0..80 {
        unfinished.push(start_report(&peer, 1_000, b"[").await);
    }
    for id in 1..=20 {
        peer.report(format!("[{}]", span(1, id, ""))).await;
    }
    drop(unfinished);
    peer.stop().await;
}

#[tokio::test]
async fn large_unfinished_bodies_are_given_up_for_others() {
    let peer = Peer::start().await;
    let part = vec![b' '; 4 * 1024 * 1024];
    let mut unfinished = Vec::new();
    for _ in 0..8 {
        unfinished.push(start_report(&peer, 9 * 1024 * 1024, &part).await);
    }
    peer.report(format!("[{}]", span(1, 1, &format!(r#","name":"{}""#, "n".repeat(900_000))))).await;
    assert_eq!(status(&mut unfinished[0]).await, "503", "the oldest is given up");
    drop(unfinished);
    peer.stop().await;
}

#[tokio::test]
async fn complete_reports_beyond_the_limit_are_refused_with_retry_after() {
    let peer = Peer::with(&[("MAX_CONCURRENT", "1")]).await;
    let spans: Vec<String> = (1..=20_000).map(|id| span(id, id, "")).collect();
    let body = format!("[{}]", spans.join(","));
    let (start, end) = body.split_at(body.len() - 1);
    let mut first = start_report(&peer, body.len(), start.as_bytes()).await;
    let mut second = start_report(&peer, body.len(), start.as_bytes()).await;
    first.write_all(end.as_bytes()).await.expect("sent");
    second.write_all(end.as_bytes()).await.expect("sent");
    let mut statuses = [status(&mut first).await, status(&mut second).await];
    statuses.sort();
    assert_eq!(statuses, ["202", "503"]);
    peer.stop().await;
}

#[tokio::test]
async fn an_answer_larger_than_its_pieces_is_complete() {
    let peer = Peer::start().await;
    fill(&peer, 500, 5_000).await;
    let reply = peer.get(&format!("/api/v2/traces?{EVERYTHING}&limit=10000")).await;
    let traces = reply.json();
    assert_eq!(traces.as_array().expect("a list").len(), 500);
    assert!(reply.text().len() > 2_500_000);
    // Names are listed piece by piece as well.
    let spans: Vec<String> = (1..=9_000)
        .map(|id| span(id, 1, &format!(r#","localEndpoint":{{"serviceName":"s{id:05}"}}"#)))
        .collect();
    peer.report(format!("[{}]", spans.join(","))).await;
    assert_eq!(peer.json("/api/v2/services").await.as_array().expect("a list").len(), 9_001);
    peer.stop().await;
}

#[tokio::test]
async fn an_answer_beyond_its_limit_is_refused_before_it_is_written() {
    let peer = Peer::with(&[("COLLECTOR_MEMORY", "256MiB")]).await;
    fill(&peer, 140, 1_000_000).await;
    let reply = peer.get(&format!("/api/v2/traces?{EVERYTHING}&limit=10000")).await;
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.json()["message"],
        "the traces exceed the limit of 128 MiB per answer: reduce limit, or narrow the search"
    );
    let few = peer.json(&format!("/api/v2/traces?{EVERYTHING}&limit=20")).await;
    assert_eq!(few.as_array().expect("a list").len(), 20);
    let ids: Vec<String> = (1..=140).map(|id| format!("{id:x}")).collect();
    let reply = peer.get(&format!("/api/v2/traceMany?traceIds={}", ids.join(","))).await;
    assert_eq!(reply.status, 400);
    peer.stop().await;
}

#[tokio::test]
async fn a_period_with_too_many_links_is_refused() {
    let peer = Peer::start().await;
    let spans: Vec<String> = (1..=4_001)
        .map(|id| {
            let rest = format!(
                r#","kind":"CLIENT","timestamp":1000000,"localEndpoint":{{"serviceName":"a"}},"remoteEndpoint":{{"serviceName":"b{id}"}}"#
            );
            span(id, 1, &rest)
        })
        .collect();
    peer.report(format!("[{}]", spans[1..].join(","))).await;
    let path = format!("/api/v2/dependencies?{EVERYTHING}");
    assert_eq!(peer.get(&path).await.status, 200);
    peer.report(format!("[{}]", spans[0])).await;
    assert_eq!(peer.get(&path).await.status, 400);
    peer.stop().await;
}

#[tokio::test]
async fn readers_that_do_not_read_keep_out_no_report_and_are_cut_off() {
    let peer = Peer::start().await;
    fill(&peer, 400, 60_000).await;
    let path = format!("/api/v2/traces?{EVERYTHING}&limit=10000");
    let mut unread = Vec::new();
    for _ in 0..4 {
        unread.push(start_query(&peer, &path).await);
    }
    // Each has its turn once its first bytes are there.
    for stream in &mut unread {
        assert_eq!(status(stream).await, "200");
    }
    let refused = peer.get("/api/v2/services").await;
    assert_eq!(
        (refused.status.as_u16(), &refused.headers["retry-after"]),
        (503, &"1".parse().expect("a value"))
    );
    for id in 1..=20 {
        peer.report(format!("[{}]", span(999, id, ""))).await;
    }
    eventually("the turns of the others end", async || peer.get("/api/v2/services").await.status == 200)
        .await;
    // What was cut off does not look complete.
    let mut rest = Vec::new();
    let read = timeout(PATIENCE, unread[0].read_to_end(&mut rest)).await.expect("in time");
    assert!(read.is_err() || !rest.ends_with(b"0\r\n\r\n"), "{} bytes", rest.len());
    peer.stop().await;
}

#[tokio::test]
async fn a_long_query_lets_others_have_their_turn() {
    let peer = Peer::start().await;
    for first in (0..40_000).step_by(2_000) {
        let spans: Vec<String> = (first + 1..=first + 2_000)
            .map(|id| {
                let rest = r#","kind":"SERVER","timestamp":1000000,"localEndpoint":{"serviceName":"a"}"#;
                span(id, 1, rest)
            })
            .collect();
        peer.report(format!("[{}]", spans.join(","))).await;
    }
    let mut query = start_query(&peer, &format!("/api/v2/dependencies?{EVERYTHING}")).await;
    let started = Instant::now();
    // The collector runs on the thread of this test: what delays this task delays every report.
    let (mut last, mut longest) = (started, Duration::ZERO);
    let mut answer = [0; 12];
    let mut answered = pin!(query.read_exact(&mut answer));
    loop {
        tokio::select! {
            biased;
            read = &mut answered => break assert_eq!(read.expect("answered"), 12),
            () = yield_now() => {}
        }
        longest = longest.max(last.elapsed());
        last = Instant::now();
    }
    longest = longest.max(last.elapsed());
    let query = started.elapsed();
    assert!(longest < query / 2, "a pause of {longest:?} in a query of {query:?}");
    peer.stop().await;
}
