//! The accept loop: clients that say nothing, and connections that wait when the listener closes.

// A helper that fails is a test that fails.
#![allow(clippy::expect_used)]

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

async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("in time").expect("readable");
    answer
}

#[tokio::test]
async fn a_client_that_says_nothing_or_half_a_preface_is_cut_off_and_others_are_served() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let limits = ServeLimits { first_bytes_timeout: Duration::from_millis(200), ..ServeLimits::default() };
    let served = tokio::spawn(async move {
        serve(listener, router(), limits, &Drain::never(), Duration::ZERO).await;
    });

    let begun = Instant::now();
    let mut mute = TcpStream::connect(address).await.expect("connects");
    let mut half = TcpStream::connect(address).await.expect("connects");
    half.write_all(b"PRI * HT").await.expect("written");
    let mut usual = TcpStream::connect(address).await.expect("connects");
    usual.write_all(REQUEST).await.expect("written");

    assert!(answer(&mut usual).await.ends_with("hello"));
    assert_eq!(answer(&mut mute).await, "");
    let mut cut_off = Vec::new();
    // Bytes that nobody read make the close a reset.
    let _ =
        tokio::time::timeout(Duration::from_secs(20), half.read_to_end(&mut cut_off)).await.expect("in time");
    assert_eq!(cut_off, b"");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    served.abort();
}

#[tokio::test]
async fn metadata_at_the_limit_pass_whatever_hpack_makes_of_their_bytes() {
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
        let answer = client.request(request).await.expect("the connection stands");
        assert_eq!(answer.status(), StatusCode::OK, "{byte:#x}");
    }
    served.abort();
}

#[tokio::test]
async fn connections_that_wait_when_the_listener_closes_are_served() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    // In the backlog before the loop has looked at it once, and the end has begun by then.
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        stream.write_all(REQUEST).await.expect("written");
        waiting.push(stream);
    }
    let (trigger, drain) = Drain::on_trigger(Duration::ZERO);
    trigger.begin();
    drain.closing().await;
    serve(listener, router(), ServeLimits::default(), &drain, Duration::from_secs(10)).await;
    for mut stream in waiting {
        assert!(answer(&mut stream).await.ends_with("hello"));
    }
    TcpStream::connect(address).await.expect_err("closed");
}

#[tokio::test]
async fn an_http2_client_is_sent_away_by_goaway_once_the_listener_is_closed() {
    const GOAWAY: u8 = 7;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (trigger, drain) = Drain::on_trigger(Duration::ZERO);
    let served = tokio::spawn(async move {
        serve(listener, router(), ServeLimits::default(), &drain, Duration::from_secs(10)).await;
    });

    let mut client = TcpStream::connect(address).await.expect("connects");
    // The preface and an empty SETTINGS frame: a client that has asked nothing yet.
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("written");
    let mut trigger = Some(trigger);
    let until_goaway = async {
        loop {
            let mut head = [0; 9];
            client.read_exact(&mut head).await.expect("a frame before the end");
            let [a, b, c, kind, ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            client.read_exact(&mut payload).await.expect("the rest of the frame");
            // The server's first frame shows that the connection stands: now the end begins.
            if let Some(trigger) = trigger.take() {
                trigger.begin();
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
async fn a_connection_that_never_spoke_does_not_hold_up_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (trigger, drain) = Drain::on_trigger(Duration::ZERO);
    let mut in_reserve = TcpStream::connect(address).await.expect("connects");
    let serving = serve(listener, router(), ServeLimits::default(), &drain, Duration::from_secs(10));
    let ending = async {
        // Accepted before this one, which is answered.
        let mut usual = TcpStream::connect(address).await.expect("connects");
        usual.write_all(REQUEST).await.expect("written");
        assert!(answer(&mut usual).await.ends_with("hello"));
        trigger.begin();
        Instant::now()
    };
    let ((), begun) = tokio::join!(serving, ending);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(answer(&mut in_reserve).await, "");
}
