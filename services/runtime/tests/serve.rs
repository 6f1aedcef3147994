//! The accept loop: silent clients, and connections in the backlog when the listener closes.

#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use octet_runtime::{
    drain::Drain,
    metadata,
    serve::{ServeLimits, serve},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";

fn router() -> axum::Router {
    axum::Router::new().route("/", axum::routing::get(async || "hello"))
}

async fn response(stream: &mut TcpStream) -> String {
    let mut response = String::new();
    let read = stream.read_to_string(&mut response);
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("in time").expect("readable");
    response
}

#[tokio::test]
async fn a_silent_client_or_half_a_preface_is_disconnected_and_others_are_served() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let limits = ServeLimits { first_bytes_timeout: Duration::from_millis(200), ..ServeLimits::default() };
    let served = tokio::spawn(async move {
        serve(listener, router(), limits, &Drain::never(), Duration::ZERO).await;
    });

    let started = Instant::now();
    let mut silent = TcpStream::connect(address).await.expect("connects");
    let mut half = TcpStream::connect(address).await.expect("connects");
    half.write_all(b"PRI * HT").await.expect("written");
    let mut usual = TcpStream::connect(address).await.expect("connects");
    usual.write_all(REQUEST).await.expect("written");

    assert!(response(&mut usual).await.ends_with("hello"));
    assert_eq!(response(&mut silent).await, "");
    let mut received = Vec::new();
    // Unread bytes turn the close into a reset.
    let _ = tokio::time::timeout(Duration::from_secs(20), half.read_to_end(&mut received))
        .await
        .expect("in time");
    assert_eq!(received, b"");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    served.abort();
}

#[tokio::test]
async fn metadata_at_the_limit_passes_in_any_hpack_encoding() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let served = tokio::spawn(async move {
        serve(listener, router(), ServeLimits::default(), &Drain::never(), Duration::ZERO).await;
    });
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    // 5, 19 and 28 bits each (RFC 7541, appendix B).
    for byte in [b'a', b'\\', 0xf9] {
        let name = HeaderName::from_static("baggage");
        let value = vec![byte; metadata::LIMIT - name.as_str().len() - 32];
        let mut request =
            Request::get(format!("http://{address}/")).body(Empty::<Bytes>::new()).expect("valid");
        request.headers_mut().insert(name, HeaderValue::from_bytes(&value).expect("valid"));
        assert_eq!(metadata::size(request.headers()), metadata::LIMIT);
        let response = client.request(request).await.expect("the connection is open");
        assert_eq!(response.status(), StatusCode::OK, "{byte:#x}");
    }
    served.abort();
}

#[tokio::test]
async fn connections_in_the_backlog_are_served_when_the_listener_closes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    // In the backlog before the loop first accepts, when the drain has started already.
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        stream.write_all(REQUEST).await.expect("written");
        waiting.push(stream);
    }
    let (trigger, drain) = Drain::on_trigger(Duration::ZERO);
    trigger.start();
    drain.closing().await;
    serve(listener, router(), ServeLimits::default(), &drain, Duration::from_secs(10)).await;
    for mut stream in waiting {
        assert!(response(&mut stream).await.ends_with("hello"));
    }
    TcpStream::connect(address).await.expect_err("closed");
}

#[tokio::test]
async fn an_http2_client_gets_goaway_once_the_listener_has_closed() {
    const GOAWAY: u8 = 7;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (trigger, drain) = Drain::on_trigger(Duration::ZERO);
    let served = tokio::spawn(async move {
        serve(listener, router(), ServeLimits::default(), &drain, Duration::from_secs(10)).await;
    });

    let mut client = TcpStream::connect(address).await.expect("connects");
    // The preface and an empty SETTINGS frame: a client without a request.
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("written");
    let mut trigger = Some(trigger);
    let until_goaway = async {
        loop {
            let mut head = [0; 9];
            client.read_exact(&mut head).await.expect("a frame before the end");
            let [a, b, c, kind, ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            client.read_exact(&mut payload).await.expect("the rest of the frame");
            // The server's first frame shows that the connection is established: now the drain starts.
            if let Some(trigger) = trigger.take() {
                trigger.start();
            }
            if kind == GOAWAY {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), until_goaway).await.expect("GOAWAY in time");
    TcpStream::connect(address).await.expect_err("the listener closed first");
    drop(client);
    tokio::time::timeout(Duration::from_secs(20), served).await.expect("in time").expect("no panic");
}

#[tokio::test]
async fn a_silent_connection_does_not_delay_the_drain() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (trigger, drain) = Drain::on_trigger(Duration::ZERO);
    let mut in_reserve = TcpStream::connect(address).await.expect("connects");
    let serving = serve(listener, router(), ServeLimits::default(), &drain, Duration::from_secs(10));
    let ending = async {
        // Accepted before this one, which gets its response.
        let mut usual = TcpStream::connect(address).await.expect("connects");
        usual.write_all(REQUEST).await.expect("written");
        assert!(response(&mut usual).await.ends_with("hello"));
        trigger.start();
        Instant::now()
    };
    let ((), started) = tokio::join!(serving, ending);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(response(&mut in_reserve).await, "");
}

#[tokio::test]
async fn a_closed_connection_with_part_of_a_preface_is_not_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let limits =
        ServeLimits { first_bytes_timeout: Duration::from_mins(1), connections: 1, ..ServeLimits::default() };
    let served = tokio::spawn(async move {
        serve(listener, router(), limits, &Drain::never(), Duration::ZERO).await;
    });
    for _ in 0..20 {
        let mut closed = TcpStream::connect(address).await.expect("connects");
        closed.write_all(b"P").await.expect("written");
    }
    // There is room for one connection, so that this one is served once the others are gone.
    let mut usual = TcpStream::connect(address).await.expect("connects");
    usual.write_all(REQUEST).await.expect("written");
    assert!(response(&mut usual).await.ends_with("hello"));
    served.abort();
}

#[tokio::test]
async fn a_preface_in_pieces_is_understood() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let served = tokio::spawn(async move {
        serve(listener, router(), ServeLimits::default(), &Drain::never(), Duration::ZERO).await;
    });
    let mut client = TcpStream::connect(address).await.expect("connects");
    for piece in [&b"PR"[..], b"I * HTTP/2.0\r\n", b"\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"] {
        client.write_all(piece).await.expect("written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut head = [0; 9];
    tokio::time::timeout(Duration::from_secs(20), client.read_exact(&mut head))
        .await
        .expect("in time")
        .expect("a frame");
    assert_eq!(head[3], 4, "SETTINGS");
    served.abort();
}
