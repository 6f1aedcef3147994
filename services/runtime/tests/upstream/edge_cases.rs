//! HTTP/2's edge cases at the client, with a peer that sends single frames.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use octet_testbed::{
    eventually,
    http2_frames::{
        Frame, FrameStream, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, code, flag, kind, literal, setting,
    },
};
use tokio::{io::AsyncWriteExt, net::TcpListener, sync::Notify, task::JoinHandle};
use tonic::Code;

use crate::{call, upstream};

const LONG: Duration = Duration::from_secs(20);

/// `:status: 200` in HPACK's static table.
const OK: u8 = 0x88;

/// A peer that does the same on each connection.
struct Peer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// `script` gets the number of the connection, counted from 0, and its frames after the preface.
    async fn start<F>(settings: Vec<u8>, script: impl Fn(usize, FrameStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        let task = tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("accepts");
                let number = count.fetch_add(1, Ordering::SeqCst);
                if let Some(frames) = FrameStream::accept(stream, &settings).await {
                    tasks.spawn(script(number, frames));
                }
            }
        });
        Self { address, connections, task }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The next frame of any stream; `None` at the end of the connection.
async fn next(frames: &mut FrameStream) -> Option<Frame> {
    loop {
        let frame = frames.read().await?;
        if frame.stream != 0 {
            return Some(frame);
        }
    }
}

/// The stream of the next request, when it has ended.
async fn request(frames: &mut FrameStream) -> Option<u32> {
    loop {
        let frame = next(frames).await?;
        if frame.ends_stream() {
            return Some(frame.stream);
        }
    }
}

/// Sends a ping, whose answer must come before any frame of a stream.
async fn nothing_but_a_ping(frames: &mut FrameStream) {
    frames.send(kind::PING, 0, 0, b"12345678").await;
    loop {
        let frame = frames.read().await.expect("open");
        assert_eq!(frame.stream, 0, "{frame:?}");
        if frame.kind == kind::PING {
            return;
        }
    }
}

fn grpc_head() -> Vec<u8> {
    [&[OK][..], &literal("content-type", "application/grpc")].concat()
}

/// Responds with an empty message.
async fn respond(frames: &mut FrameStream, stream: u32) {
    frames.send(kind::HEADERS, flag::END_HEADERS, stream, &grpc_head()).await;
    frames.send(kind::DATA, 0, stream, &[0; 5]).await;
    let end = flag::END_HEADERS | flag::END_STREAM;
    frames.send(kind::HEADERS, end, stream, &literal("grpc-status", "0")).await;
}

#[tokio::test]
async fn informational_responses_padding_and_continuation_are_understood() {
    let peer = Peer::start(Vec::new(), async |_, mut frames| {
        while let Some(stream) = request(&mut frames).await {
            for status in ["100", "103"] {
                frames.send(kind::HEADERS, flag::END_HEADERS, stream, &literal(":status", status)).await;
            }
            let head = grpc_head();
            let padded = [&[2][..], &head[..4], &[0, 0]].concat();
            frames.send(kind::HEADERS, flag::PADDED, stream, &padded).await;
            frames.send(kind::CONTINUATION, 0, stream, &head[4..9]).await;
            frames.send(kind::CONTINUATION, flag::END_HEADERS, stream, &head[9..]).await;
            frames.send(0xbe, 0xff, stream, b"unknown").await;
            frames.send(kind::DATA, flag::PADDED, stream, &[1, 0, 0, 0]).await;
            frames.send(kind::DATA, 0, stream, &[0, 0, 0]).await;
            let end = flag::END_HEADERS | flag::END_STREAM;
            frames.send(kind::HEADERS, end, stream, &literal("grpc-status", "0")).await;
        }
    })
    .await;
    call(&upstream(peer.address, "0s"), LONG).await.expect("a response");
}

#[tokio::test]
async fn a_response_without_a_body_is_its_status() {
    let peer = Peer::start(Vec::new(), async |_, mut frames| {
        while let Some(stream) = request(&mut frames).await {
            let head = [grpc_head(), literal("grpc-status", "5"), literal("grpc-message", "gone")].concat();
            frames.send(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, &head).await;
        }
    })
    .await;
    let status = call(&upstream(peer.address, "0s"), LONG).await.expect_err("a status");
    assert_eq!((status.code(), status.message()), (Code::NotFound, "gone"));
}

#[tokio::test]
async fn an_upstream_that_cancels_at_the_deadline_reports_the_deadline() {
    let peer = Peer::start(Vec::new(), async |_, mut frames| {
        while let Some(stream) = request(&mut frames).await {
            let head = [grpc_head(), literal("grpc-status", "1"), literal("grpc-message", "late")].concat();
            frames.send(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, &head).await;
        }
    })
    .await;
    let upstream = upstream(peer.address, "0s");
    let status = call(&upstream, LONG).await.expect_err("cancelled");
    assert_eq!((status.code(), status.message()), (Code::Cancelled, "late"), "long before the deadline");
    // On an open connection the answer comes within the last milliseconds; where it comes later, the deadline has passed.
    let status = call(&upstream, Duration::from_millis(8)).await.expect_err("cancelled");
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "deadline passed"));
}

#[tokio::test]
async fn a_request_waits_for_room_and_settings_in_mid_stream_give_it() {
    for gives_room_by_settings in [false, true] {
        let peer = Peer::start(setting(INITIAL_WINDOW_SIZE, 0), move |_, mut frames| async move {
            // The first request may be sent before or after the client knows the settings.
            let Some(Frame { stream: first, .. }) = next(&mut frames).await else { return };
            frames.send(kind::WINDOW_UPDATE, 0, first, &5_u32.to_be_bytes()).await;
            assert_eq!(request(&mut frames).await, Some(first));
            respond(&mut frames, first).await;
            let head = next(&mut frames).await.expect("a second request");
            assert_eq!((head.kind, head.ends_stream()), (kind::HEADERS, false));
            nothing_but_a_ping(&mut frames).await;
            if gives_room_by_settings {
                frames.send(kind::SETTINGS, 0, 0, &setting(INITIAL_WINDOW_SIZE, 100)).await;
            } else {
                frames.send(kind::WINDOW_UPDATE, 0, head.stream, &5_u32.to_be_bytes()).await;
            }
            let data = next(&mut frames).await.expect("data");
            assert_eq!((data.kind, data.ends_stream(), data.payload.len()), (kind::DATA, true, 5));
            respond(&mut frames, head.stream).await;
            while frames.read().await.is_some() {}
        })
        .await;
        let upstream = upstream(peer.address, "0s");
        call(&upstream, LONG).await.expect("a response");
        call(&upstream, LONG).await.expect("a response after the wait");
    }
}

#[tokio::test]
async fn calls_beyond_the_peers_limit_of_streams_wait_for_their_turn() {
    let peer = Peer::start(setting(MAX_CONCURRENT_STREAMS, 1), async |_, mut frames| {
        while let Some(stream) = request(&mut frames).await {
            // No second request arrives before the response to the first.
            nothing_but_a_ping(&mut frames).await;
            respond(&mut frames, stream).await;
        }
    })
    .await;
    let upstream = upstream(peer.address, "0s");
    call(&upstream, LONG).await.expect("a response");
    let calls = futures_util::future::join_all((0..20).map(|_| call(&upstream, LONG))).await;
    assert!(calls.iter().all(Result::is_ok), "{calls:?}");
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn calls_that_start_together_share_one_connection() {
    let peer = Peer::start(Vec::new(), async |_, mut frames| {
        while let Some(stream) = request(&mut frames).await {
            respond(&mut frames, stream).await;
        }
    })
    .await;
    let upstream = upstream(peer.address, "0s");
    let calls = futures_util::future::join_all((0..50).map(|_| call(&upstream, LONG))).await;
    assert!(calls.iter().all(Result::is_ok), "{calls:?}");
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_goes_away_finishes_its_calls_and_new_calls_get_another() {
    let second = Arc::new(Notify::new());
    let (seen, notify) = (second.clone(), second);
    let peer = Peer::start(Vec::new(), move |number, mut frames| {
        let (seen, notify) = (seen.clone(), notify.clone());
        async move {
            let Some(stream) = request(&mut frames).await else { return };
            if number == 0 {
                let last = [stream.to_be_bytes(), code::NO_ERROR.to_be_bytes()].concat();
                frames.send(kind::GOAWAY, 0, 0, &last).await;
                seen.notified().await;
            } else {
                notify.notify_one();
            }
            respond(&mut frames, stream).await;
            while frames.read().await.is_some() {}
        }
    })
    .await;
    let upstream = upstream(peer.address, "0s");
    let first = call(&upstream, LONG);
    let later = async {
        eventually("the first connection", async || peer.connections() == 1).await;
        // Until the client has read GOAWAY, its calls are refused by it, and thus sent again.
        while peer.connections() == 1 {
            call(&upstream, Duration::from_millis(50)).await.ok();
        }
    };
    let (first, ()) = tokio::join!(first, later);
    first.expect("the first connection answers");
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_the_peer_closed_while_idle_costs_no_call() {
    let closed = Arc::new(Notify::new());
    let has_closed = closed.clone();
    let peer = Peer::start(Vec::new(), move |_, mut frames| {
        let closed = closed.clone();
        async move {
            let Some(stream) = request(&mut frames).await else { return };
            respond(&mut frames, stream).await;
            frames.0.shutdown().await.expect("closed");
            // Until the client has closed its side too: unread bytes would turn the close into a reset.
            while frames.read().await.is_some() {}
            closed.notify_one();
        }
    })
    .await;
    let upstream = upstream(peer.address, "0s");
    for connections in 1..=3 {
        call(&upstream, LONG).await.expect("a response");
        has_closed.notified().await;
        assert_eq!(peer.connections(), connections);
    }
}

#[tokio::test]
async fn a_peer_that_closes_every_connection_at_once_is_tried_a_bounded_number_of_times() {
    let peer = Peer::start(Vec::new(), async |_, frames| drop(frames)).await;
    let status = call(&upstream(peer.address, "0s"), LONG).await.expect_err("no peer");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(peer.connections() <= 2, "{}", peer.connections());
}

#[tokio::test]
async fn response_headers_beyond_the_limit_fail_their_call_alone() {
    let peer = Peer::start(Vec::new(), async |_, mut frames| {
        let mut is_large = true;
        while let Some(stream) = request(&mut frames).await {
            if std::mem::replace(&mut is_large, false) {
                frames.send(kind::HEADERS, 0, stream, &grpc_head()).await;
                for _ in 0..2 {
                    let fields: Vec<u8> = literal("x-large", &"v".repeat(100)).repeat(100);
                    frames.send(kind::CONTINUATION, 0, stream, &fields).await;
                }
                frames.send(kind::CONTINUATION, flag::END_HEADERS, stream, &[]).await;
            } else {
                respond(&mut frames, stream).await;
            }
        }
    })
    .await;
    let upstream = upstream(peer.address, "0s");
    let status = call(&upstream, LONG).await.expect_err("too large");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    call(&upstream, LONG).await.expect("the connection goes on");
    assert_eq!(peer.connections(), 1);
}
