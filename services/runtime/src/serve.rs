//! The accept loop under every server of Octet: gRPC, gateway and admin.

mod connection;
mod early;
mod grpc;
mod linger;
mod request_body;
mod tls;
mod transport;

use std::{convert::Infallible, error::Error, io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::Service;

use self::connection::Connection;
pub use self::{
    early::RequestBody,
    grpc::refuse_other_than_grpc,
    tls::Tls,
    transport::{Plain, Protocol, Transport},
};
use crate::{drain::Drain, http2::KeepAlive};

/// Limits of a server and its clients.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// HTTP/2 streams open at once on one connection.
    pub streams: u32,
    /// Streams that a client opened and reset before this process read either; beyond it the connection is closed with every
    /// call on it. By default (20) h2 takes more for an attack. But callers give up at any time, and all of them do when
    /// this process was suspended: 16,384 is what a gateway under load cancels in some ten seconds. They are a few
    /// megabytes, for as long as it takes to read what has arrived; and such streams end early, so that the connection is
    /// replaced.
    pub unread_resets: usize,
    /// Bytes of one request's headers, by HTTP/2's count (RFC 9113, 6.5.2); beyond it the response is 431.
    pub header_bytes: u32,
    /// How long a client may take for what identifies its version of HTTP: its first byte, HTTP/2's preface, or the TLS
    /// handshake.
    pub first_bytes_timeout: Duration,
    /// How long an HTTP/1.1 client may take for a request head. hyper includes the idle time before the head, so that this
    /// is also how long an idle connection is kept: longer than the 60 s of ingresses, because the client should close
    /// first. It is also the limit of an HTTP/2 client until its first request.
    pub head_timeout: Duration,
    /// Open connections; further ones wait in the system's backlog.
    pub connections: usize,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            streams: 1_000,
            unread_resets: 16_384,
            header_bytes: 64 * 1024,
            first_bytes_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(75),
            connections: 10_000,
        }
    }
}

/// HTTP/2 pings, by which a client that vanished without closing its connection is noticed.
const KEEP_ALIVE: KeepAlive =
    KeepAlive { interval: Duration::from_secs(30), timeout: Duration::from_secs(10) };

/// Errors of a client on single streams, over the lifetime of its connection; then the connection is closed. Proxies share
/// a connection between many clients, so that h2's default of 1,024 is too few; without a limit, a client that sends such
/// errors and never reads could fill the memory with resets (RUSTSEC-2024-0003). A connection of a client that makes no
/// errors is replaced long before ([`early`]).
const ERROR_RESETS: usize = 16_384;

/// How long a connection that was accepted just before the listener closed may take to send its first request.
const FIRST_REQUEST: Duration = Duration::from_millis(100);

/// Between two attempts to accept when the process has no file descriptor left.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// The client's address, in a request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Serves `service` on `listener` until the drain closes listeners; then calls in flight have `grace` to finish. HTTP/1.1 and
/// HTTP/2 with prior knowledge share the port.
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    limits: ServeLimits,
    drain: &Drain,
    grace: Duration,
) where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    serve_over(Plain, listener, service, limits, drain, grace).await;
}

/// As [`serve`], over `transport`.
pub async fn serve_over<T, S, B>(
    transport: T,
    listener: TcpListener,
    service: S,
    limits: ServeLimits,
    drain: &Drain,
    grace: Duration,
) where
    T: Transport,
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut connections = JoinSet::new();
    let (finish, finishing) = watch::channel(false);
    let serve_one = |(stream, peer): (TcpStream, SocketAddr)| {
        let (transport, service) = (transport.clone(), service.clone());
        let (drain, mut finishing) = (drain.clone(), finishing.clone());
        async move {
            // Small frames are sent immediately: otherwise a call costs a delayed acknowledgement (40 ms).
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, %peer, "cannot set TCP_NODELAY");
            }
            let accepted = tokio::select! {
                accepted = transport.accept(stream, limits.first_bytes_timeout) => accepted,
                // Proxies hold connections in reserve: an unused one must not delay the drain.
                () = first_request_expired(&mut finishing) => None,
            };
            if let Some((stream, protocol)) = accepted {
                Connection { peer, limits, service, drain, finishing }.serve(stream, protocol).await;
            }
        }
    };
    loop {
        tokio::select! {
            () = drain.closing() => break,
            accepted = listener.accept(), if connections.len() < limits.connections => match accepted {
                Ok(accepted) => _ = connections.spawn(serve_one(accepted)),
                Err(error) => after_accept_error(&error).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }

    // Connections in the backlog are served: closing the listener would reset them. The listener closes before the
    // connections do: a client that is told to reconnect must not reach it again.
    for accepted in backlog(listener) {
        connections.spawn(serve_one(accepted));
    }
    finish.send_replace(true);
    let finished = timeout(grace, async { while connections.join_next().await.is_some() {} });
    tokio::select! {
        finished = finished => if finished.is_err() {
            tracing::warn!(connections = connections.len(), ?grace, "grace period expired; closing connections");
        },
        () = drain.forced() => {}
    }
}

/// Accepts the connections in the backlog, then closes the listener. tokio's own `accept` would query the system only after
/// the next turn of its driver.
fn backlog(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let mut waiting = Vec::new();
    if let Ok(listener) = listener.into_std() {
        // tokio has set it non-blocking.
        while let Ok((stream, peer)) = listener.accept() {
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            waiting.extend(stream.map(|stream| (stream, peer)));
        }
    }
    waiting
}

/// Resolves [`FIRST_REQUEST`] after the listener has closed.
async fn first_request_expired(finishing: &mut watch::Receiver<bool>) {
    // A dropped sender means the same.
    let _ = finishing.wait_for(|finishing| *finishing).await;
    sleep(FIRST_REQUEST).await;
}

/// Ignores a connection that was closed in the backlog; waits where the process has no file descriptors left.
async fn after_accept_error(error: &io::Error) {
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        return;
    }
    tracing::warn!(%error, "cannot accept a connection");
    sleep(ACCEPT_BACKOFF).await;
}
