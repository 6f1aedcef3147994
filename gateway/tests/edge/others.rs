//! Clients that leave or stall share one connection to the entry service with everybody else: they must not affect the
//! others' calls.

use std::time::Duration;

use octet_testbed::http2_frames::frame;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    client::{ask, get},
    gateway::Gateway,
    hostile::PREFACE,
};

/// The header block of a GET of `path` on HTTP/2.
fn block(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    for (name, value) in [(":path", path), (":authority", "x")].iter().chain(more) {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.bytes());
        }
    }
    block
}

#[tokio::test]
async fn thousands_of_callers_that_leave_do_not_fail_the_calls_of_others() {
    let gateway = Gateway::start().await;
    // `endless` answers every few milliseconds: what it sends crosses the cancellation.
    let block = block("/v1/shelves/endless:watch", &[]);
    for round in 0..60_u32 {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let requests = (0..50).map(|number| frame(1, 5, number * 2 + 1, &block));
        let bytes: Vec<u8> = PREFACE.iter().copied().chain(requests.flatten()).collect();
        stream.write_all(&bytes).await.unwrap();
        tokio::time::sleep(Duration::from_millis(u64::from(round % 20))).await;
        drop(stream);
        let reply = get(&gateway, "/v1/shelves/one").await;
        assert_eq!(reply.status, 200, "round {round}: {}", reply.text());
    }
    assert!(gateway.library.calls() > 2_000, "{} calls arrived", gateway.library.calls());
}

#[tokio::test]
async fn thousands_of_short_deadlines_do_not_fail_the_calls_of_others() {
    let gateway = Gateway::start().await;
    for round in 0..60_u32 {
        let block = block("/v1/shelves/wide:watch", &[("grpc-timeout", "8m")]);
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let requests = (0..50).map(|number| frame(1, 5, number * 2 + 1, &block));
        let bytes: Vec<u8> = PREFACE.iter().copied().chain(requests.flatten()).collect();
        stream.write_all(&bytes).await.unwrap();
        let reply = get(&gateway, "/v1/shelves/one").await;
        assert_eq!(reply.status, 200, "round {round}: {}", reply.text());
    }
}

#[tokio::test]
async fn unread_streams_do_not_stall_the_calls_of_others() {
    let gateway = Gateway::with(&[("BODY_TIMEOUT", "1h")]).await;
    let block = block("/v1/shelves/wide:watch", &[("grpc-timeout", "1H")]);
    let mut bytes = PREFACE[..PREFACE.len() - 9].to_vec();
    bytes.extend(frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]));
    for number in 0..8 {
        bytes.extend(frame(1, 5, number * 2 + 1, &block));
    }
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    // Long enough to fill the windows behind the unread streams.
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let reply = ask(&gateway, "GET", "/v1/shelves/one", &[("grpc-timeout", "4S")], "").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}
