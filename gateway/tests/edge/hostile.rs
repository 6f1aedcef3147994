//! Hostile or broken clients: each is refused with the right status or disconnected, and others are still served.

use std::time::{Duration, Instant};

use octet_testbed::http2_frames::{frame, literal};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::{PATIENCE, ask, get, raw, read_to_end},
    gateway::Gateway,
};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("")
}

#[tokio::test]
async fn headers_beyond_the_limit_are_431() {
    let gateway = Gateway::start().await;
    let large =
        format!("GET /v1/shelves/one HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(100_000));
    assert_eq!(status(&raw(&gateway, large.as_bytes()).await), "431");
    let many: String = "x-many: 1\r\n".repeat(5_000);
    let many = format!("GET /v1/shelves/one HTTP/1.1\r\nhost: x\r\n{many}\r\n");
    assert_eq!(status(&raw(&gateway, many.as_bytes()).await), "431");
    let small = Gateway::with(&[("MAX_HEADER_BYTES", "8KiB")]).await;
    let large = format!("GET / HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(9_000));
    assert_eq!(status(&raw(&small, large.as_bytes()).await), "431");
    assert_eq!(get(&small, "/v1/shelves/one").await.status, 200);
}

#[tokio::test]
async fn metadata_over_the_limit_is_431_and_does_not_affect_other_calls() {
    let gateway = Gateway::start().await;
    assert_eq!(get(&gateway, "/v1/shelves/one").await.status, 200);
    // HPACK encodes a backslash in 19 bits: h2 would end the connection that all clients share.
    for (name, value) in [
        ("baggage", "\\".repeat(60_000)),
        ("grpc-metadata-x", "\\".repeat(60_000)),
        ("baggage", "x".repeat(16_000)),
        ("baggage", "x".repeat(65_000)),
    ] {
        let calls = gateway.library.calls();
        let reply = ask(&gateway, "GET", "/v1/shelves/one", &[(name, &value)], "").await;
        assert_eq!(reply.status, 431, "{name}, {} bytes: {}", value.len(), reply.text());
        assert_eq!(reply.json()["code"], 8);
        assert!(reply.text().contains("exceeds the limit of 15360 bytes"), "{}", reply.text());
        assert_eq!(gateway.library.calls(), calls, "a service was called");
    }
    let largest = "\\".repeat(15_000);
    assert_eq!(ask(&gateway, "GET", "/v1/shelves/one", &[("baggage", &largest)], "").await.status, 200);
    assert_eq!(gateway.library.last()["baggage"], largest);
}

#[tokio::test]
async fn a_very_long_request_target_is_414_or_431() {
    let gateway = Gateway::start().await;
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(70_000));
    let answer = raw(&gateway, long.as_bytes()).await;
    assert!(["414", "431"].contains(&status(&answer)), "{answer}");
}

#[tokio::test]
async fn a_request_head_that_does_not_end_is_disconnected() {
    let gateway = Gateway::with(&[("HEADER_TIMEOUT", "300ms")]).await;
    let start = Instant::now();
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET /v1/shelves/one HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let slow = async {
        // Sending a header now and then does not extend the time.
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if stream.write_all(b"x-slow: 1\r\n").await.is_err() {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, slow).await.expect("disconnected");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn an_http2_client_that_sends_no_request_is_disconnected() {
    let gateway = Gateway::with(&[("HEADER_TIMEOUT", "300ms")]).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    read_to_end(&mut stream).await;
}

#[tokio::test]
async fn a_body_that_does_not_end_is_408_and_releases_its_permit() {
    let gateway = Gateway::with(&[("BODY_TIMEOUT", "300ms"), ("MAX_CONCURRENT", "1")]).await;
    let head = b"POST /v1/everything HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";
    let answer = raw(&gateway, head).await;
    assert_eq!(status(&answer), "408", "{answer}");
    assert_eq!(get(&gateway, "/v1/shelves/one").await.status, 200);
    let with_deadline =
        b"POST /v1/everything HTTP/1.1\r\nhost: x\r\ngrpc-timeout: 50m\r\ncontent-length: 9\r\n\r\n{";
    assert_eq!(status(&raw(&gateway, with_deadline).await), "504", "the client's deadline passed first");
}

#[tokio::test]
async fn an_announced_body_of_a_gigabyte_is_refused_before_it_is_sent() {
    let gateway = Gateway::start().await;
    for path in ["/v1/everything", "/api/request-echo"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1073741824\r\n\r\n"
        );
        let answer = raw(&gateway, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "without 100 Continue: {answer}");
    }
}

#[tokio::test]
async fn a_chunked_body_of_a_gigabyte_is_refused_at_the_limit_without_using_memory() {
    let gateway = Gateway::start().await;
    let before = resident();
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let head = b"POST /v1/everything HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    writing.write_all(head).await.unwrap();
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend(std::iter::repeat_n(b' ', 0x1_0000));
    chunk.extend(b"\r\n");
    let flood = async {
        let mut sent = 0_u64;
        while sent < 1 << 30 && writing.write_all(&chunk).await.is_ok() {
            sent += 0x1_0000;
        }
        sent
    };
    let answer = async {
        let mut answer = vec![0; 64];
        let read = reading.read(&mut answer).await.unwrap_or(0);
        String::from_utf8_lossy(&answer[..read]).into_owned()
    };
    let (sent, answer) =
        tokio::time::timeout(PATIENCE, async { tokio::join!(flood, answer) }).await.expect("disconnected");
    assert_eq!(status(&answer), "413", "{answer}");
    assert!(sent < 64 << 20, "{sent} bytes were accepted");
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
    assert_eq!(get(&gateway, "/v1/shelves/one").await.status, 200);
}

/// The resident memory of this process, which includes the gateway.
pub fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    statm.split(' ').nth(1).expect("resident").parse::<u64>().expect("a number") * 4096
}

#[tokio::test]
async fn request_smuggling_is_refused_or_its_connection_is_closed() {
    let gateway = Gateway::start().await;
    let smuggled = "GET /v1/shelves/smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    for (shape, refused_with) in [
        ("content-length: 5\r\ncontent-length: 6\r\n\r\nhello", "400"),
        ("content-length: +5\r\n\r\nhello", "400"),
        ("content-length: 5, 6\r\n\r\nhello", "400"),
        ("content-length: 0x5\r\n\r\nhello", "400"),
        ("transfer-encoding: identity\r\n\r\nhello", "400"),
        ("transfer-encoding: chunked, identity\r\n\r\nhello", "400"),
        ("transfer-encoding : chunked\r\n\r\n0\r\n\r\n", "400"),
        ("x-folded: a\r\n b\r\ncontent-length: 0\r\n\r\n", "400"),
        ("x-bad\x00name: a\r\ncontent-length: 0\r\n\r\n", "400"),
        ("x-bare: a\rb\r\ncontent-length: 0\r\n\r\n", "400"),
        // Read by the transfer encoding, and the rest of the connection is ignored (RFC 9112, 6.3).
        ("content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "200"),
        ("transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n", "200"),
    ] {
        let request = format!("POST /api/request-echo HTTP/1.1\r\nhost: x\r\n{shape}{smuggled}");
        let before = gateway.library.calls();
        let answer = raw(&gateway, request.as_bytes()).await;
        assert_eq!(status(&answer), refused_with, "{shape:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{shape:?}: {answer}");
        assert_eq!(gateway.library.calls(), before, "{shape:?}: the smuggled request was served");
    }
    // Chunk sizes that are signed, prefixed or too large.
    for chunk in ["-1\r\n", "+1\r\na\r\n0\r\n\r\n", "fffffffffffffffff\r\n", "0x1\r\na\r\n0\r\n\r\n"] {
        let request = format!(
            "POST /api/request-echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{smuggled}"
        );
        let answer = raw(&gateway, request.as_bytes()).await;
        assert!(["", "400"].contains(&status(&answer)), "{chunk:?}: {answer}");
        assert_eq!(gateway.library.calls(), 0, "{chunk:?}");
    }
}

#[tokio::test]
async fn invalid_request_lines_are_400() {
    let gateway = Gateway::start().await;
    for line in ["GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "G\x01T / HTTP/1.1\r\n\r\n", "\x7f\x00\x01\r\n\r\n"]
    {
        let answer = raw(&gateway, line.as_bytes()).await;
        assert!(["400", "505"].contains(&status(&answer)), "{line:?}: {answer}");
    }
    // The gateway is not a proxy.
    let answer = raw(
        &gateway,
        b"CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(status(&answer), "501", "{answer}");
}

/// The header block of `GET /v1/shelves/slow`, without dynamic table entries.
fn slow_request() -> Vec<u8> {
    [&[0x82, 0x86][..], &literal(":authority", "x"), &literal(":path", "/v1/shelves/slow")].concat()
}

#[tokio::test]
async fn invalid_http2_frames_end_only_their_own_connection() {
    let gateway = Gateway::start().await;
    let oversized = [0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1];
    for (name, bytes) in [
        ("a frame larger than the limit", oversized.to_vec()),
        ("DATA on stream 0", frame(0, 0, 0, b"x")),
        ("HEADERS on an even stream", frame(1, 4, 2, &slow_request())),
        ("CONTINUATION without HEADERS", frame(9, 4, 1, b"")),
        ("a window increment of zero", frame(8, 0, 0, &[0; 4])),
        ("SETTINGS of five bytes", frame(4, 0, 0, &[0; 5])),
        ("PING of seven bytes", frame(6, 0, 0, &[0; 7])),
        ("headers that are not HPACK", frame(1, 4, 1, &[0xff; 20])),
    ] {
        let bytes = [PREFACE, &bytes].concat();
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut read = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut read)).await;
        assert!(ended.is_ok(), "{name}: the connection is still open");
    }
    assert_eq!(get(&gateway, "/v1/shelves/one").await.status, 200);
}

#[tokio::test]
async fn a_client_that_keeps_resetting_streams_is_disconnected() {
    let gateway = Gateway::start().await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    writing.write_all(PREFACE).await.unwrap();
    let flood = async {
        // A hundred in one write, so that the gateway processes many together.
        for round in 0..2_000_u32 {
            let burst: Vec<u8> = (0..100)
                .flat_map(|number| {
                    let id = (round * 100 + number) * 2 + 1;
                    [frame(1, 5, id, &slow_request()), frame(3, 0, id, &8_u32.to_be_bytes())].concat()
                })
                .collect();
            if writing.write_all(&burst).await.is_err() {
                return true;
            }
        }
        false
    };
    let discarded = async {
        let mut sink = vec![0; 16 * 1024];
        while reading.read(&mut sink).await.is_ok_and(|read| read > 0) {}
    };
    let disconnected = tokio::time::timeout(PATIENCE, async {
        tokio::select! { disconnected = flood => disconnected, () = discarded => true }
    });
    assert!(disconnected.await.expect("in time"), "200,000 resets were accepted");
    assert_eq!(get(&gateway, "/v1/shelves/one").await.status, 200);
}
