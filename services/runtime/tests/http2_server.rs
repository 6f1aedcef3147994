//! HTTP/2's edge cases at the server under every port, with a client that sends single frames.

#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::Frame as BodyFrame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use octet_runtime::{
    drain::Drain,
    serve::{RequestBody, ServeLimits, serve},
};
use octet_testbed::{
    eventually,
    http2_frames::{
        Frame, FrameStream, INITIAL_WINDOW_SIZE, code, flag, kind, literal, request_head, setting,
    },
};
use tokio::{net::TcpListener, task::JoinHandle};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// `:status: 200` in HPACK's static table.
const OK: u8 = 0x88;

/// A server whose responses depend on the path.
struct Server {
    address: SocketAddr,
    /// Requests whose work has started and not ended.
    in_progress: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Counts a request as long as it exists.
struct InProgress(Arc<AtomicUsize>);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Server {
    async fn start(limits: ServeLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let in_progress = Arc::new(AtomicUsize::new(0));
        let count = in_progress.clone();
        let service = tower::service_fn(move |request: Request<RequestBody>| {
            count.fetch_add(1, Ordering::SeqCst);
            let guard = InProgress(count.clone());
            async move {
                let response = respond(request).await;
                drop(guard);
                Ok::<_, Infallible>(response)
            }
        });
        let task = tokio::spawn(async move {
            serve(listener, service, limits, &Drain::never(), Duration::ZERO).await;
        });
        Self { address, in_progress, task }
    }

    async fn connect(&self) -> FrameStream {
        FrameStream::connect(self.address, &[]).await
    }
}

async fn respond(request: Request<RequestBody>) -> Response<Body> {
    let whole = |text: String| Full::new(Bytes::from(text)).boxed_unsync();
    let (parts, body) = request.into_parts();
    match parts.uri.path() {
        "/never" => std::future::pending().await,
        "/early" => Response::new(whole("early".to_owned())),
        "/trailers-only" => {
            let mut response = Response::new(http_body_util::Empty::new().boxed_unsync());
            response.headers_mut().insert("grpc-status", HeaderValue::from_static("5"));
            response
        }
        "/trailers" => {
            let trailers = HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                HeaderValue::from_static("0"),
            )]);
            let frames = [BodyFrame::data(Bytes::from_static(b"message")), BodyFrame::trailers(trailers)];
            let frames = frames.map(Ok::<_, Infallible>);
            Response::new(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync())
        }
        "/connection-headers" => {
            let mut response = Response::new(whole("x".to_owned()));
            for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE] {
                response.headers_mut().insert(name, HeaderValue::from_static("chunked"));
            }
            response
        }
        _ => {
            let headers = parts.headers.len();
            match body.collect().await {
                Ok(collected) => {
                    let trailers = collected.trailers().map_or(0, HeaderMap::len);
                    let size = collected.to_bytes().len();
                    Response::new(whole(format!("{} {headers} {size} {trailers}", parts.method)))
                }
                Err(_) => Response::new(whole("body failed".to_owned())),
            }
        }
    }
}

/// The frames of a response, up to the last.
async fn response(client: &mut FrameStream, stream: u32) -> Vec<Frame> {
    let mut frames = Vec::new();
    loop {
        let frame = client.read_stream(stream).await.expect("a response");
        let is_last = frame.ends_stream() || frame.kind == kind::RST_STREAM;
        frames.push(frame);
        if is_last {
            return frames;
        }
    }
}

/// The body of a response with status 200.
async fn body(client: &mut FrameStream, stream: u32) -> String {
    let frames = response(client, stream).await;
    assert_eq!((frames[0].kind, frames[0].payload[0]), (kind::HEADERS, OK), "{frames:?}");
    let data: Vec<u8> = frames
        .iter()
        .filter(|frame| frame.kind == kind::DATA)
        .flat_map(|frame| frame.payload.clone())
        .collect();
    String::from_utf8(data).expect("a text")
}

const WHOLE: u8 = flag::END_HEADERS | flag::END_STREAM;

#[tokio::test]
async fn padding_priority_and_continuation_are_understood() {
    let server = Server::start(ServeLimits::default()).await;
    let mut client = server.connect().await;
    let head = [&request_head("/echo")[..], &literal("x-one", "1"), &literal("x-two", "2")].concat();
    let (start, rest) = head.split_at(9);
    // Two bytes of padding, behind a priority of five bytes.
    let padded = [&[2, 0, 0, 0, 0, 16][..], start, &[0, 0]].concat();
    client.send(kind::HEADERS, flag::PADDED | flag::PRIORITY, 1, &padded).await;
    // h2 takes many small ones for an attack.
    for part in rest.chunks(12) {
        client.send(kind::CONTINUATION, 0, 1, part).await;
    }
    client.send(kind::CONTINUATION, flag::END_HEADERS, 1, &[]).await;
    client.send(kind::DATA, flag::PADDED, 1, &[3, b'a', b'b', 0, 0, 0]).await;
    client.send(kind::DATA, flag::PADDED | flag::END_STREAM, 1, &[0, b'c']).await;
    assert_eq!(body(&mut client, 1).await, "POST 2 3 0");
}

#[tokio::test]
async fn a_request_with_trailers_and_one_of_an_unknown_method_are_read() {
    let server = Server::start(ServeLimits::default()).await;
    let mut client = server.connect().await;
    client.send(kind::HEADERS, flag::END_HEADERS, 1, &request_head("/echo")).await;
    client.send(kind::DATA, 0, 1, b"abc").await;
    client.send(kind::HEADERS, WHOLE, 1, &literal("x-end", "1")).await;
    assert_eq!(body(&mut client, 1).await, "POST 0 3 1");
    let brew = [&literal(":method", "BREW")[..], &[0x86, 0x84, 0x41, 1, b'x']].concat();
    client.send(kind::HEADERS, WHOLE, 3, &brew).await;
    assert_eq!(body(&mut client, 3).await, "BREW 0 0 0");
    // CONNECT has neither scheme nor path.
    let connect = [&literal(":method", "CONNECT")[..], &[0x41, 1, b'x']].concat();
    client.send(kind::HEADERS, WHOLE, 5, &connect).await;
    assert_eq!(body(&mut client, 5).await, "CONNECT 0 0 0");
}

#[tokio::test]
async fn headers_beyond_the_limit_get_431_and_the_connection_goes_on() {
    let limits = ServeLimits { header_bytes: 1_024, ..ServeLimits::default() };
    let server = Server::start(limits).await;
    let mut client = server.connect().await;
    let mut head = request_head("/echo");
    for number in 0..20 {
        head.extend(literal(&format!("x-{number}"), &"v".repeat(100)));
    }
    client.send(kind::HEADERS, WHOLE, 1, &head).await;
    let refused = response(&mut client, 1).await;
    assert!(refused[0].payload.ends_with(b"431") || refused[0].payload[0] != OK, "{refused:?}");
    client.send(kind::HEADERS, WHOLE, 3, &request_head("/echo")).await;
    assert_eq!(body(&mut client, 3).await, "POST 0 0 0");
}

#[tokio::test]
async fn a_stream_without_room_waits_and_the_others_do_not() {
    let server = Server::start(ServeLimits::default()).await;
    let mut client = FrameStream::connect(server.address, &setting(INITIAL_WINDOW_SIZE, 0)).await;
    client.send(kind::HEADERS, WHOLE, 1, &request_head("/trailers")).await;
    let head = client.read_stream(1).await.expect("a head");
    assert_eq!((head.kind, head.payload[0]), (kind::HEADERS, OK));
    // A response without data needs no room.
    client.send(kind::HEADERS, WHOLE, 3, &request_head("/trailers-only")).await;
    assert!(response(&mut client, 3).await[0].ends_stream());
    client.send(kind::WINDOW_UPDATE, 0, 1, &3_u32.to_be_bytes()).await;
    let part = client.read_stream(1).await.expect("data");
    assert_eq!((part.kind, &part.payload[..]), (kind::DATA, &b"mes"[..]));
    // Settings in mid-stream raise the windows of open streams.
    client.send(kind::SETTINGS, 0, 0, &setting(INITIAL_WINDOW_SIZE, 100)).await;
    let rest = response(&mut client, 1).await;
    assert_eq!(rest[0].payload, b"sage");
    assert_eq!(rest[1].kind, kind::HEADERS, "trailers: {rest:?}");
}

#[tokio::test]
async fn a_reset_ends_the_work_on_its_request_and_nothing_else() {
    let server = Server::start(ServeLimits::default()).await;
    let mut client = server.connect().await;
    // Before the response, with and without the whole request.
    client.send(kind::HEADERS, WHOLE, 1, &request_head("/never")).await;
    client.send(kind::HEADERS, flag::END_HEADERS, 3, &request_head("/echo")).await;
    eventually("both started", async || server.in_progress.load(Ordering::SeqCst) == 2).await;
    for stream in [1, 3] {
        client.send(kind::RST_STREAM, 0, stream, &code::CANCEL.to_be_bytes()).await;
    }
    eventually("both ended", async || server.in_progress.load(Ordering::SeqCst) == 0).await;
    // Before its headers have ended: the connection reads on.
    client.send(kind::HEADERS, WHOLE, 5, &request_head("/echo")).await;
    assert_eq!(body(&mut client, 5).await, "POST 0 0 0");
}

#[tokio::test]
async fn an_early_response_arrives_whole_before_the_request_has_ended() {
    let server = Server::start(ServeLimits::default()).await;
    let mut client = server.connect().await;
    client.send(kind::HEADERS, flag::END_HEADERS, 1, &request_head("/early")).await;
    assert_eq!(body(&mut client, 1).await, "early");
    // The rest of the request is not wanted, and is no error.
    client.send(kind::DATA, flag::END_STREAM, 1, b"late").await;
    client.send(kind::HEADERS, WHOLE, 3, &request_head("/echo")).await;
    assert_eq!(body(&mut client, 3).await, "POST 0 0 0");
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_work_on_its_requests() {
    let server = Server::start(ServeLimits::default()).await;
    let mut client = server.connect().await;
    for stream in [1, 3, 5] {
        client.send(kind::HEADERS, WHOLE, stream, &request_head("/never")).await;
    }
    eventually("all started", async || server.in_progress.load(Ordering::SeqCst) == 3).await;
    drop(client);
    eventually("all ended", async || server.in_progress.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn pings_are_answered_and_unknown_frames_are_ignored() {
    let server = Server::start(ServeLimits::default()).await;
    let mut client = server.connect().await;
    client.send(0xbe, 0xff, 0, b"unknown").await;
    client.send(kind::PING, 0, 0, b"12345678").await;
    let pong = loop {
        let frame = client.read().await.expect("open");
        if frame.kind == kind::PING {
            break frame;
        }
    };
    assert_eq!((pong.flags, &pong.payload[..]), (flag::ACK, &b"12345678"[..]));
}

#[tokio::test]
async fn a_violation_of_the_protocol_ends_its_connection_alone() {
    let server = Server::start(ServeLimits::default()).await;
    let mut honest = server.connect().await;
    for (kind, stream, payload) in [
        // Data of no stream, a reset of an idle one, a window of 0, and headers that HPACK does not allow.
        (kind::DATA, 0, &b"x"[..]),
        (kind::RST_STREAM, 7, &[0, 0, 0, 8]),
        (kind::WINDOW_UPDATE, 0, &[0, 0, 0, 0]),
        (kind::HEADERS, 1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    ] {
        let mut client = server.connect().await;
        client.send(kind, flag::END_HEADERS, stream, payload).await;
        let mut end = None;
        while let Some(frame) = client.read().await {
            if frame.kind == kind::GOAWAY {
                end = Some(frame.error_code());
            }
        }
        assert!(end.is_some_and(|code| code != code::NO_ERROR), "{kind} {payload:?}: {end:?}");
    }
    honest.send(kind::HEADERS, WHOLE, 1, &request_head("/echo")).await;
    assert_eq!(body(&mut honest, 1).await, "POST 0 0 0");
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused_unprocessed() {
    let limits = ServeLimits { streams: 2, ..ServeLimits::default() };
    let server = Server::start(limits).await;
    let mut client = server.connect().await;
    for stream in [1, 3, 5] {
        client.send(kind::HEADERS, WHOLE, stream, &request_head("/never")).await;
    }
    let refused = client.read_stream(5).await.expect("a reset");
    assert_eq!((refused.kind, refused.error_code()), (kind::RST_STREAM, code::REFUSED_STREAM));
    eventually("two started", async || server.in_progress.load(Ordering::SeqCst) == 2).await;
}

#[tokio::test]
async fn headers_of_a_connection_are_not_sent_and_a_body_has_its_length_and_date() {
    let server = Server::start(ServeLimits::default()).await;
    let (sender, connection) =
        h2::client::handshake(tokio::net::TcpStream::connect(server.address).await.expect("connects"))
            .await
            .expect("HTTP/2");
    let driven = tokio::spawn(connection);
    let mut sender = sender.ready().await.expect("open");
    let request = Request::get("http://x/connection-headers").body(()).expect("valid");
    let (response, _) = sender.send_request(request, true).expect("sent");
    let response = response.await.expect("a response");
    let mut names: Vec<_> = response.headers().keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "date"]);
    assert_eq!(response.headers()["content-length"], "1");
    driven.abort();
}
