//! Streams that end early, over the lifetime of a connection: none fails a call of others.

#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use octet_runtime::{
    drain::Drain,
    serve::{ServeLimits, serve},
};
use octet_testbed::http2_frames::{
    Frame, FrameStream, code,
    flag::ACK,
    frame,
    kind::{GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS},
};
use tokio::{io::AsyncWriteExt, net::TcpListener};

/// `:method: POST`, `:scheme: http`, `:path: /` of HPACK's static table, and an `:authority`.
const HEAD: [u8; 6] = [0x83, 0x86, 0x84, 0x41, 1, b'x'];

/// Requests on one connection at once.
const BATCH: u32 = 50;

/// An HTTP/2 client that sends the head of a request and, when it has the response, a message that nobody reads.
struct Client {
    frames: FrameStream,
    next: u32,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self { frames: FrameStream::connect(address, &[]).await, next: 1 }
    }

    /// The next frame; `None` at the end of the connection.
    async fn read(&mut self) -> Option<Frame> {
        let frame = self.frames.read().await?;
        if (frame.kind, frame.flags) == (PING, 0) {
            // The server waits for it before it closes.
            self.frames.send(PING, ACK, 0, &frame.payload).await;
        }
        Some(frame)
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.frames.0.write_all(bytes).await.expect("the server reads on");
    }

    /// Sends a batch of requests. Returns whether further ones may follow on this connection.
    async fn batch(&mut self) -> bool {
        let streams: Vec<u32> = (0..BATCH).map(|number| self.next + 2 * number).collect();
        self.next += 2 * BATCH;
        let heads: Vec<u8> = streams.iter().flat_map(|stream| frame(HEADERS, 4, *stream, &HEAD)).collect();
        self.write(&heads).await;
        let mut waiting: HashSet<u32> = streams.iter().copied().collect();
        let mut may_continue = true;
        while !waiting.is_empty() {
            let frame = self.read().await.expect("no response is lost");
            if frame.kind == HEADERS {
                waiting.remove(&frame.stream);
            } else if frame.kind == GOAWAY {
                assert_without_error(&frame);
                may_continue = false;
            }
        }
        let late: Vec<u8> = streams.iter().flat_map(|stream| frame(0, 0, *stream, &[0; 5])).collect();
        if !may_continue {
            while self.read().await.is_some() {}
        }
        // Also a connection that the server has closed: a reset would fail responses that the client has not read.
        for _ in 0..2 {
            self.write(&late).await;
            tokio::task::yield_now().await;
        }
        may_continue
    }
}

fn assert_without_error(goaway: &Frame) {
    let debug = String::from_utf8_lossy(&goaway.payload[8..]);
    assert_eq!(goaway.error_code(), code::NO_ERROR, "closed with an error: {debug}");
}

#[tokio::test]
async fn messages_that_arrive_after_their_response_end_no_connection_with_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let respond = axum::Router::new().fallback(async || ());
    let served = tokio::spawn(async move {
        serve(listener, respond, ServeLimits::default(), &Drain::never(), Duration::ZERO).await;
    });
    let mut client = Client::connect(address).await;
    let mut connections = 1;
    for _ in 0..20_000 / BATCH {
        if !client.batch().await {
            client = Client::connect(address).await;
            connections += 1;
        }
    }
    assert!((10..=20).contains(&connections), "{connections} connections");
    served.abort();
}

#[tokio::test]
async fn calls_that_are_cancelled_while_the_server_is_suspended_fail_no_call_of_others() {
    let (port, ports) = mpsc::channel();
    let (resume, suspended) = mpsc::channel::<()>();
    // A thread of its own, which the first request suspends.
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            port.send(listener.local_addr().expect("bound")).expect("the test waits");
            let suspended = Arc::new(Mutex::new(suspended));
            let respond = axum::Router::new().fallback(move || {
                // Later requests find that `resume` is gone.
                let _ended = suspended.lock().expect("not poisoned").recv();
                std::future::ready(())
            });
            serve(listener, respond, ServeLimits::default(), &Drain::never(), Duration::ZERO).await;
        });
    });
    let address = ports.recv().expect("the server starts");
    let mut client = Client::connect(address).await;
    // What fits into the buffers of the sockets: the server does not read.
    let cancelled = 3_000;
    let first = frame(HEADERS, 5, 1, &HEAD);
    client.write(&first).await;
    while client.read().await.expect("open").kind != SETTINGS {}
    let calls = (1..=cancelled).map(|number| 2 * number + 1);
    let mut bytes: Vec<u8> = calls
        .flat_map(|stream| {
            [frame(HEADERS, 5, stream, &HEAD), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
        })
        .collect();
    let last = 2 * cancelled + 3;
    bytes.extend(frame(HEADERS, 5, last, &HEAD));
    client.write(&bytes).await;
    resume.send(()).expect("the server waits");
    drop(resume);
    let mut waiting = HashSet::from([1, last]);
    while !waiting.is_empty() {
        let frame = client.read().await.expect("no response is lost");
        if frame.kind == GOAWAY {
            assert_without_error(&frame);
        }
        if frame.kind == HEADERS {
            waiting.remove(&frame.stream);
        }
    }
}
