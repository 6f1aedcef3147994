//! Serves one HTTP/2 connection.

use std::{
    error::Error,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use h2::{
    Reason,
    server::{Builder, SendResponse},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Incoming, KeepAlive, outgoing::Outgoing, socket::Socket};
use crate::content_type::is_grpc;

/// Flow-control windows in bytes, of a stream and of a connection.
const WINDOW: u32 = 1024 * 1024;

/// Bytes that a stream's responses may occupy while the client does not read them.
const SEND_BUFFER: usize = 400 * 1024;

/// Headers of a connection, which HTTP/2 does not have (RFC 9113, 8.2.2).
const CONNECTION_HEADERS: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Limits of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Streams open at once.
    pub(crate) streams: u32,
    /// Streams that the client opened and reset before this process read either.
    pub(crate) unread_resets: usize,
    /// Errors of the client on single streams, over the connection's lifetime.
    pub(crate) error_resets: usize,
    /// Bytes of a request's headers.
    pub(crate) header_bytes: u32,
    pub(crate) keep_alive: KeepAlive,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error(transparent)]
    Http2(#[from] h2::Error),
    #[error("client did not respond to a ping")]
    Lost,
}

/// What rarely happens on a connection.
enum Event {
    ShutDown,
    Lost,
}

/// Serves a connection until the client closes it, or after `shut_down` until its calls have ended: then the client gets
/// GOAWAY. Each stream has a task of its own, which ends when the client resets the stream.
///
/// # Errors
/// When the client violates the protocol, or vanishes.
pub(crate) async fn serve<Io, S, F, B>(
    io: Io,
    limits: Limits,
    service: S,
    shut_down: impl Future<Output = ()> + Send,
) -> Result<(), ConnectionError>
where
    Io: AsyncRead + AsyncWrite + Unpin,
    S: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (socket, last_read) = Socket::new(io);
    let handshake = Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_streams(limits.streams)
        .max_pending_accept_reset_streams(limits.unread_resets)
        .max_local_error_reset_streams(Some(limits.error_resets))
        .max_header_list_size(limits.header_bytes)
        .handshake(socket);
    let mut shut_down = pin!(shut_down);
    let mut connection = tokio::select! {
        handshake = handshake => handshake?,
        () = shut_down.as_mut() => return Ok(()),
    };
    let pings = connection.ping_pong();
    let lost = async {
        match pings {
            Some(pings) => limits.keep_alive.lost(pings, last_read).await,
            None => std::future::pending().await,
        }
        Event::Lost
    };
    let shut_down = async {
        shut_down.await;
        Event::ShutDown
    };
    // Polled only when one of them has been woken, unlike the branches of a select.
    let mut rare: FuturesUnordered<futures_util::future::BoxFuture<'_, Event>> = FuturesUnordered::new();
    rare.push(Box::pin(lost));
    rare.push(Box::pin(shut_down));
    poll_fn(|context| {
        loop {
            match connection.poll_accept(context) {
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                Poll::Ready(Some(Ok((request, reply)))) => {
                    let (parts, stream) = request.into_parts();
                    let body = Incoming::new(stream, &parts.headers);
                    tokio::spawn(respond(service(Request::from_parts(parts, body)), reply));
                    continue;
                }
                Poll::Pending => {}
            }
            match rare.poll_next_unpin(context) {
                Poll::Ready(Some(Event::ShutDown)) => connection.graceful_shutdown(),
                Poll::Ready(Some(Event::Lost)) => return Poll::Ready(Err(ConnectionError::Lost)),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

/// Sends the response of `work`, which is dropped when the client resets the stream.
async fn respond<B>(work: impl Future<Output = Response<B>>, mut reply: SendResponse<Bytes>)
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let response = {
        let mut work = pin!(work);
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            Poll::Pending => reply.poll_reset(context).map(|_| None),
        })
        .await
    };
    let Some(response) = response else { return };
    let (mut parts, body) = response.into_parts();
    complete(&mut parts.headers, &body);
    match reply.send_response(Response::from_parts(parts, ()), body.is_end_stream()) {
        Ok(_) if body.is_end_stream() => {}
        // The client learns of a body that ends early by the reset of its stream.
        Ok(stream) => _ = Outgoing::response(body, stream).await,
        Err(error) => {
            tracing::debug!(%error, "response not sent");
            reply.send_reset(Reason::INTERNAL_ERROR);
        }
    }
}

/// Removes the headers that HTTP/2 does not have. Adds `content-length`, and `date` (RFC 9110, 6.6.1), which gRPC does without.
fn complete(headers: &mut HeaderMap, body: &impl Body) {
    for name in &CONNECTION_HEADERS {
        headers.remove(name);
    }
    if is_grpc(headers) {
        return;
    }
    if let Some(length) = body.size_hint().exact().filter(|_| !body.is_end_stream()) {
        headers.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    if !headers.contains_key(header::DATE) {
        let now = httpdate::fmt_http_date(std::time::SystemTime::now());
        if let Ok(now) = HeaderValue::try_from(now) {
            headers.insert(header::DATE, now);
        }
    }
}
