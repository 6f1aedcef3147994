//! Every transport failure, over real sockets: which calls are retried, the status that the caller gets, and that a request
//! which may have been processed is never sent twice.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc
)]

mod edge_cases;
mod peer;
mod several;
mod shared;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use http::HeaderMap;
use octet_runtime::{
    deadline::Deadline,
    environment::Environment,
    metrics::Metrics,
    upstream::{Upstream, UpstreamAddress, UpstreamMetrics, UpstreamSettings},
};
use octet_testbed::http2_frames::code::{COMPRESSION_ERROR, ENHANCE_YOUR_CALM, PROTOCOL_ERROR};
use peer::{Peer, Script};
use tokio::net::{TcpListener, TcpSocket};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::MetadataMap,
};

const PATH: &str = "/test.Service/Call";

/// Messages without content.
#[derive(Clone, Copy, Default)]
struct Empty;

impl Codec for Empty {
    type Encode = ();
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Empty {
    type Item = ();
    type Error = Status;

    fn encode(&mut self, (): (), _: &mut EncodeBuf<'_>) -> Result<(), Status> {
        Ok(())
    }
}

impl Decoder for Empty {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, _: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        Ok(Some(()))
    }
}

fn upstream(address: SocketAddr, connect_wait: &str) -> Upstream {
    upstream_at(&address.to_string(), connect_wait)
}

/// An upstream at these addresses, separated by commas.
fn upstream_at(addresses: &str, connect_wait: &str) -> Upstream {
    let variables = BTreeMap::from([
        ("PEER_URL".to_owned(), addresses.to_owned()),
        ("CONNECT_WAIT".to_owned(), connect_wait.to_owned()),
    ]);
    let mut environment = Environment::new(&variables);
    let settings = UpstreamSettings::from_environment(&mut environment);
    let address = UpstreamAddress::from_environment(&mut environment, "peer", "PEER").expect("an address");
    let metrics = UpstreamMetrics::new(&Metrics::new("test").expect("metrics")).expect("metrics");
    Upstream::new("peer", "service-x", &address, settings, &metrics)
}

async fn call(upstream: &Upstream, timeout: Duration) -> Result<(), Status> {
    let deadline = Deadline::after(timeout);
    let carried = HeaderMap::new();
    let answer = upstream.call(PATH, deadline, &carried, |channel, headers| async move {
        let mut client = Grpc::new(channel);
        client.ready().await.map_err(Status::from_error)?;
        let mut request = Request::new(());
        *request.metadata_mut() = MetadataMap::from_headers(headers);
        client.unary(request, http::uri::PathAndQuery::from_static(PATH), Empty).await
    });
    answer.await.map(drop).map_err(|error| error.status)
}

struct Case {
    name: &'static str,
    scripts: &'static [Script],
    /// The caller's status.
    code: Code,
    message: &'static str,
    /// The requests that the peer receives.
    requests: usize,
}

/// The table of decision 0004. Each first script fails; the second would respond to a retry.
const CASES: [Case; 11] = [
    Case {
        name: "reset after the request was read",
        scripts: &[Script::ResetAfterRequest, Script::Respond],
        code: Code::Unavailable,
        message: "connection lost: ",
        requests: 1,
    },
    Case {
        name: "closed after the request was read",
        scripts: &[Script::CloseAfterRequest, Script::Respond],
        code: Code::Unavailable,
        message: "connection lost",
        requests: 1,
    },
    Case {
        name: "GOAWAY below the stream",
        scripts: &[Script::GoAwayBelow, Script::Respond],
        code: Code::Ok,
        message: "",
        requests: 2,
    },
    Case {
        name: "GOAWAY at the stream",
        scripts: &[Script::GoAwayAbove, Script::Respond],
        code: Code::Unavailable,
        message: "connection lost",
        requests: 1,
    },
    Case {
        name: "GOAWAY at the stream, for an error of the connection",
        scripts: &[Script::GoAwayInError, Script::Respond],
        code: Code::Unavailable,
        message: "connection lost",
        requests: 1,
    },
    Case {
        name: "GOAWAY below the stream, for ENHANCE_YOUR_CALM",
        scripts: &[Script::GoAwayBlaming(ENHANCE_YOUR_CALM), Script::Respond],
        code: Code::Unavailable,
        message: "connection lost: ",
        requests: 1,
    },
    Case {
        name: "GOAWAY below the stream, for COMPRESSION_ERROR",
        scripts: &[Script::GoAwayBlaming(COMPRESSION_ERROR), Script::Respond],
        code: Code::Unavailable,
        message: "connection lost: ",
        requests: 1,
    },
    Case {
        name: "GOAWAY below the stream, for PROTOCOL_ERROR",
        scripts: &[Script::GoAwayBlaming(PROTOCOL_ERROR), Script::Respond],
        code: Code::Unavailable,
        message: "connection lost: ",
        requests: 1,
    },
    Case {
        name: "stream ended with an error",
        scripts: &[Script::FailStream, Script::Respond],
        code: Code::Unavailable,
        message: "connection lost: ",
        requests: 1,
    },
    Case {
        name: "half-open: read without a response",
        scripts: &[Script::Silent, Script::Respond],
        code: Code::DeadlineExceeded,
        message: "deadline passed",
        requests: 1,
    },
    Case {
        name: "never read",
        scripts: &[Script::NeverReads, Script::Respond],
        code: Code::DeadlineExceeded,
        message: "deadline passed",
        requests: 0,
    },
];

#[tokio::test]
async fn each_failure_has_its_status_and_is_retried_only_when_unprocessed() {
    for case in CASES {
        let peer = Peer::start(case.scripts).await;
        let outcome = call(&upstream(peer.address, "500ms"), Duration::from_millis(300)).await;
        let (code, message) = outcome
            .err()
            .map_or((Code::Ok, String::new()), |status| (status.code(), status.message().to_owned()));
        assert_eq!(code, case.code, "{}: {message}", case.name);
        assert!(message.starts_with(case.message), "{}: {message}", case.name);
        assert_eq!(peer.requests(), case.requests, "{}", case.name);
    }
}

#[tokio::test]
async fn a_reset_before_the_request_was_read_is_retried_only_if_it_was_never_written() {
    // The reset may arrive before or after the request is written.
    for _ in 0..50 {
        let peer = Peer::start(&[Script::ResetAtOnce, Script::Respond]).await;
        match call(&upstream(peer.address, "500ms"), Duration::from_secs(5)).await {
            Ok(()) => assert_eq!(peer.requests(), 1),
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                assert!(status.message().starts_with("connection lost"), "{status:?}");
                assert_eq!(peer.requests(), 0);
            }
        }
    }
}

#[tokio::test]
async fn a_refused_stream_is_retried_until_connect_wait_expires() {
    let peer = Peer::start(&[Script::RefuseStream]).await;
    let started = Instant::now();
    let status = call(&upstream(peer.address, "200ms"), Duration::from_secs(5)).await.expect_err("refused");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().starts_with("cannot be reached: "), "{}", status.message());
    assert!(peer.requests() > 3, "{}", peer.requests());
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_refused_connection_is_retried_until_the_upstream_listens() {
    // Bound and not listening: connections are refused, and the port stays reserved.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("bound");
    let address = socket.local_addr().expect("bound");
    let upstream = upstream(address, "10s");

    let answered = tokio::spawn(async move { call(&upstream, Duration::from_secs(10)).await });
    tokio::task::yield_now().await;
    let peer = Peer::on(socket.listen(16).expect("listens"), &[Script::Respond]);
    answered.await.expect("no panic").expect("answered");
    assert_eq!(peer.requests(), 1);
}

#[tokio::test]
async fn a_connection_that_stays_refused_fails_after_connect_wait_and_before_the_deadline() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("bound");
    let upstream = upstream(socket.local_addr().expect("bound"), "100ms");

    let started = Instant::now();
    let status = call(&upstream, Duration::from_secs(10)).await.expect_err("refused");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "cannot be reached: connection refused");
    assert!(started.elapsed() >= Duration::from_millis(100), "{:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());

    let started = Instant::now();
    let status = call(&upstream, Duration::from_millis(20)).await.expect_err("refused");
    assert_eq!(status.code(), Code::DeadlineExceeded, "the deadline comes first: {status:?}");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_unreachable_upstream_costs_a_call_no_more_than_its_deadline() {
    // The smallest backlog, filled: the system drops further connection requests without a response.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("bound");
    let listener: TcpListener = socket.listen(1).expect("listens");
    let address = listener.local_addr().expect("bound");
    let mut fill = Vec::new();
    loop {
        match tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await
        {
            Ok(connected) => fill.push(connected.expect("connects")),
            Err(_) => break,
        }
        assert!(fill.len() < 64, "the backlog never fills");
    }

    let started = Instant::now();
    let status = call(&upstream(address, "500ms"), Duration::from_millis(200)).await.expect_err("no way in");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn the_next_call_reconnects_after_a_broken_connection() {
    let peer = Peer::start(&[Script::ResetAfterRequest, Script::Respond]).await;
    let upstream = upstream(peer.address, "500ms");
    call(&upstream, Duration::from_secs(5)).await.expect_err("reset");
    call(&upstream, Duration::from_secs(5)).await.expect("answered");
    assert_eq!(peer.requests(), 2);
}

#[tokio::test]
async fn an_invalid_response_is_reported_by_its_http_status_and_not_retried() {
    const TEXT: &str = "text/plain";
    for (script, code, message) in [
        (
            Script::Plain("400", TEXT),
            Code::Internal,
            "upstream returned HTTP 400 Bad Request instead of a gRPC response",
        ),
        (
            Script::Plain("401", TEXT),
            Code::Unauthenticated,
            "upstream returned HTTP 401 Unauthorized instead of a gRPC response",
        ),
        (
            Script::Plain("403", TEXT),
            Code::PermissionDenied,
            "upstream returned HTTP 403 Forbidden instead of a gRPC response",
        ),
        (
            Script::Plain("404", TEXT),
            Code::Unimplemented,
            "upstream returned HTTP 404 Not Found instead of a gRPC response",
        ),
        (
            Script::Plain("429", TEXT),
            Code::Unavailable,
            "upstream returned HTTP 429 Too Many Requests instead of a gRPC response",
        ),
        (
            Script::Plain("502", TEXT),
            Code::Unavailable,
            "upstream returned HTTP 502 Bad Gateway instead of a gRPC response",
        ),
        (
            Script::Plain("503", TEXT),
            Code::Unavailable,
            "upstream returned HTTP 503 Service Unavailable instead of a gRPC response",
        ),
        (
            Script::Plain("504", TEXT),
            Code::Unavailable,
            "upstream returned HTTP 504 Gateway Timeout instead of a gRPC response",
        ),
        (
            Script::Plain("500", TEXT),
            Code::Unknown,
            "upstream returned HTTP 500 Internal Server Error instead of a gRPC response",
        ),
        (
            Script::Plain("200", "text/html"),
            Code::Unknown,
            "upstream returned HTTP 200 OK instead of a gRPC response",
        ),
        (
            Script::Compressed,
            Code::Internal,
            "upstream compressed its response, which the request does not accept",
        ),
        (
            Script::Large,
            Code::Internal,
            "upstream response: message of 5242880 bytes exceeds the limit of 4194304 bytes",
        ),
    ] {
        let peer = Peer::start(Box::leak(Box::new([script]))).await;
        let status =
            call(&upstream(peer.address, "500ms"), Duration::from_secs(5)).await.expect_err("invalid");
        assert_eq!((status.code(), status.message()), (code, message), "{script:?}");
        assert_eq!(peer.requests(), 1, "{script:?}");
    }
}
