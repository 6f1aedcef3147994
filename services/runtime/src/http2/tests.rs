//! Peers that vanish, on both sides of a connection.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Empty;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::TcpListener,
    time::{Instant, timeout},
};

use super::{
    KeepAlive,
    client::{Client, Settings},
    server::{ConnectionError, Limits, serve},
};

const PREFACE_AND_SETTINGS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const PING: u8 = 6;

fn limits() -> Limits {
    Limits {
        streams: 10,
        unread_resets: 10,
        error_resets: 10,
        header_bytes: 1_024,
        keep_alive: KeepAlive { interval: Duration::from_secs(30), timeout: Duration::from_secs(10) },
    }
}

async fn served(server: DuplexStream) -> Result<(), ConnectionError> {
    let service = async |_| Response::new(Empty::<Bytes>::new());
    serve(server, limits(), service, std::future::pending()).await
}

/// The next frame's type, and its payload.
async fn frame(client: &mut DuplexStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    client.read_exact(&mut head).await?;
    let mut payload = vec![0; usize::from(head[2])];
    client.read_exact(&mut payload).await?;
    Ok((head[3], payload))
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_no_ping_is_disconnected() {
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    client.write_all(PREFACE_AND_SETTINGS).await.unwrap();
    let started = Instant::now();
    let ended = served(server).await;
    assert!(matches!(ended, Err(ConnectionError::Lost)), "{ended:?}");
    let expected = limits().keep_alive.interval + limits().keep_alive.timeout;
    let elapsed = started.elapsed();
    assert!(elapsed >= expected && elapsed < expected + Duration::from_secs(1), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_that_answers_pings_is_kept() {
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    client.write_all(PREFACE_AND_SETTINGS).await.unwrap();
    let answers = async {
        let mut pings = 0;
        while let Ok((kind, payload)) = frame(&mut client).await {
            if kind == PING {
                pings += 1;
                let ack = [&[0, 0, 8, PING, 1, 0, 0, 0, 0][..], &payload].concat();
                client.write_all(&ack).await.unwrap();
            }
            if pings == 10 {
                return;
            }
        }
    };
    let started = Instant::now();
    tokio::select! {
        ended = served(server) => panic!("{ended:?}"),
        () = answers => {}
    }
    assert!(started.elapsed() >= limits().keep_alive.interval * 10, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_fails_the_requests_that_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Accepts by the system's backlog, and never reads.
    let client = Client::new(Settings {
        address,
        authority: address.to_string().parse().unwrap(),
        user_agent: HeaderValue::from_static("test"),
        connect_timeout: Duration::from_secs(20),
        keep_alive: KeepAlive { interval: Duration::from_millis(50), timeout: Duration::from_millis(50) },
        stream_window: 65_535,
        connection_window: 65_535,
        remembered_resets: 10,
        header_bytes: 1_024,
    });
    let request = Request::post("/").body(Empty::<Bytes>::new()).unwrap();
    let outcome =
        timeout(Duration::from_mins(1), client.send(request)).await.expect("it does not wait forever");
    outcome.map(drop).expect_err("lost");
}
