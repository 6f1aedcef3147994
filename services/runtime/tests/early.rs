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
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// `:method: POST`, `:scheme: http`, `:path: /` of HPACK's static table, and an `:authority`.
const HEAD: [u8; 6] = [0x83, 0x86, 0x84, 0x41, 1, b'x'];

/// Requests on one connection at once.
const BATCH: u32 = 50;

/// An HTTP/2 client that sends the head of a request and, when it has the response, a message that nobody reads.
struct Client {
    stream: TcpStream,
    next: u32,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("written");
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.expect("written");
        Self { stream, next: 1 }
    }

    /// The kind, the stream and the payload of the next frame; `None` at the end of the connection.
    async fn read(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        self.stream.read_exact(&mut payload).await.ok()?;
        if (head[3], head[4]) == (PING, 0) {
            // The server waits for it before it closes.
            self.stream.write_all(&frame(PING, 1, 0, &payload)).await.expect("written");
        }
        Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    /// Sends a batch of requests. Returns whether further ones may follow on this connection.
    async fn batch(&mut self) -> bool {
        let streams: Vec<u32> = (0..BATCH).map(|number| self.next + 2 * number).collect();
        self.next += 2 * BATCH;
        let heads: Vec<u8> = streams.iter().flat_map(|stream| frame(HEADERS, 4, *stream, &HEAD)).collect();
        self.stream.write_all(&heads).await.expect("written");
        let mut waiting: HashSet<u32> = streams.iter().copied().collect();
        let mut may_continue = true;
        while !waiting.is_empty() {
            let (kind, stream, payload) = self.read().await.expect("no response is lost");
            if kind == HEADERS {
                waiting.remove(&stream);
            } else if kind == GOAWAY {
                assert_eq!(
                    payload[4..8],
                    [0; 4],
                    "closed with an error: {}",
                    String::from_utf8_lossy(&payload[8..])
                );
                may_continue = false;
            }
        }
        let late: Vec<u8> = streams.iter().flat_map(|stream| frame(0, 0, *stream, &[0; 5])).collect();
        if !may_continue {
            while self.read().await.is_some() {}
        }
        // Also a connection that the server has closed: a reset would fail responses that the client has not read.
        for _ in 0..2 {
            self.stream.write_all(&late).await.expect("the server reads on");
            tokio::task::yield_now().await;
        }
        may_continue
    }
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
    client.stream.write_all(&first).await.expect("written");
    while client.read().await.expect("open").0 != SETTINGS {}
    let calls = (1..=cancelled).map(|number| 2 * number + 1);
    let mut bytes: Vec<u8> = calls
        .flat_map(|stream| {
            [frame(HEADERS, 5, stream, &HEAD), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
        })
        .collect();
    let last = 2 * cancelled + 3;
    bytes.extend(frame(HEADERS, 5, last, &HEAD));
    client.stream.write_all(&bytes).await.expect("written");
    resume.send(()).expect("the server waits");
    drop(resume);
    let mut waiting = HashSet::from([1, last]);
    while !waiting.is_empty() {
        let (kind, stream, payload) = client.read().await.expect("no response is lost");
        if kind == GOAWAY {
            assert_eq!(
                payload[4..8],
                [0; 4],
                "closed with an error: {}",
                String::from_utf8_lossy(&payload[8..])
            );
        }
        if kind == HEADERS {
            waiting.remove(&stream);
        }
    }
}
