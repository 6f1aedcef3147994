//! Calls that share a connection: cancelled calls and unread streams must not affect the others.

use std::{convert::Infallible, time::Duration};

use bytes::{Buf, BufMut, Bytes};
use http::{HeaderMap, HeaderValue, Request, Response, uri::PathAndQuery};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use octet_runtime::{
    deadline::Deadline,
    drain::Drain,
    metrics::RpcKind,
    serve::{RequestBody, ServeLimits, serve},
    upstream::{GrpcChannel, Upstream},
};
use tokio::net::TcpListener;
use tonic::{
    Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::MetadataMap,
};

use crate::{
    peer::{Peer, Script},
    upstream,
};

/// Messages as bytes.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = usize;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = usize;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<usize>, Status> {
        let length = buffer.remaining();
        buffer.advance(length);
        Ok(Some(length))
    }
}

fn request(headers: HeaderMap, message: &'static [u8]) -> tonic::Request<Bytes> {
    let mut request = tonic::Request::new(Bytes::from_static(message));
    *request.metadata_mut() = MetadataMap::from_headers(headers);
    request
}

async fn ready(channel: GrpcChannel) -> Result<Grpc<GrpcChannel>, Status> {
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(Status::from_error)?;
    Ok(client)
}

async fn call(upstream: &Upstream, timeout: Duration, message: &'static [u8]) -> Result<(), Status> {
    let attempt = |channel, headers| async move {
        let path = PathAndQuery::from_static("/test.Service/Call");
        ready(channel).await?.unary(request(headers, message), path, Raw).await
    };
    let headers = HeaderMap::new();
    let response = upstream.call("/test.Service/Call", Deadline::after(timeout), &headers, attempt);
    response.await.map(drop).map_err(|error| error.status)
}

async fn open_stream(upstream: &Upstream) -> Streaming<usize> {
    let attempt = |channel, headers| async move {
        let path = PathAndQuery::from_static("/test.Service/Stream");
        ready(channel).await?.server_streaming(request(headers, b""), path, Raw).await
    };
    let deadline = Deadline::after(Duration::from_mins(1));
    let headers = HeaderMap::new();
    let started = upstream.start("/test.Service/Stream", RpcKind::ServerStream, deadline, &headers, attempt);
    let (response, in_flight) = started.await.expect("a response");
    in_flight.end(Ok(()));
    response.into_inner()
}

#[tokio::test]
async fn thousands_of_cancelled_calls_do_not_end_the_connection_or_fail_another_call() {
    const CALLS: usize = 3_000;
    let peer = Peer::start(&[Script::RespondLate]).await;
    let upstream = upstream(peer.address, "0s");
    call(&upstream, Duration::from_secs(20), b"first").await.expect("the connection is open");
    for _ in 0..CALLS / 100 {
        let cancelled = (0..100).map(|_| call(&upstream, Duration::from_millis(2), b""));
        let honest = call(&upstream, Duration::from_secs(20), b"honest");
        let (cancelled, honest) = tokio::join!(futures_util::future::join_all(cancelled), honest);
        honest.expect("a response");
        assert!(cancelled.iter().all(Result::is_err), "all of them were cancelled");
    }
    assert!(peer.requests() > 1_024, "{} reached the peer", peer.requests());
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn unread_streams_do_not_stall_other_calls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let service = tower::service_fn(async |request: Request<RequestBody>| {
        let is_stream = request.uri().path().ends_with("/Stream");
        // A message of 16 KiB, without end for a stream.
        let mut message = vec![0, 0, 0, 0x40, 0];
        message.resize(5 + 0x4000, 7);
        let frame = Frame::data(Bytes::from(message));
        let messages: Box<dyn Iterator<Item = _> + Send> = if is_stream {
            Box::new(std::iter::repeat_with(move || Ok(Frame::data(frame.data_ref().expect("data").clone()))))
        } else {
            let trailers = HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                HeaderValue::from_static("0"),
            )]);
            Box::new([Ok(frame), Ok(Frame::trailers(trailers))].into_iter())
        };
        let body = StreamBody::new(futures_util::stream::iter(messages));
        let body = body.map_err(|error: Infallible| error).boxed_unsync();
        let mut response = Response::new(body);
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        Ok::<_, Infallible>(response)
    });
    let served = tokio::spawn(async move {
        serve(listener, service, ServeLimits::default(), &Drain::never(), Duration::ZERO).await;
    });

    let upstream = upstream(address, "500ms");
    let mut unread = Vec::new();
    for opened in 0..300 {
        unread.push(open_stream(&upstream).await);
        if opened % 50 == 0 {
            call(&upstream, Duration::from_secs(20), b"").await.expect("not stalled");
        }
    }
    for _ in 0..20 {
        call(&upstream, Duration::from_secs(20), b"").await.expect("not stalled");
    }
    // A stream continues where it is read.
    let mut read = unread.pop().expect("a stream");
    for _ in 0..1_000 {
        assert_eq!(read.message().await.expect("a message"), Some(0x4000));
    }
    served.abort();
}
