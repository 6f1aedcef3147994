//! The accept loop under every server of Octet: gRPC, gateway and admin.

mod tls;
mod transport;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, Version, header};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::{Service, ServiceExt};

pub use self::{
    tls::Tls,
    transport::{Plain, Protocol, Transport},
};

use crate::drain::Drain;

/// What one client may take of a server.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// HTTP/2 streams open at once on one connection.
    pub streams: u32,
    /// Bytes of one request's headers, by HTTP/2's count (RFC 9113, 6.5.2); more is answered 431.
    pub header_bytes: u32,
    /// How long a client may take until it is clear which HTTP it speaks: its first byte, HTTP/2's preface, or TLS's
    /// handshake.
    pub first_bytes_timeout: Duration,
    /// How long an HTTP/1.1 client may take over a request head. hyper counts the idle time before the head in, so
    /// that this is also how long an idle connection is kept: longer than the 60 s that ingresses keep theirs,
    /// because it is the client that should close first. An HTTP/2 client has as long until its first request.
    pub head_timeout: Duration,
    /// Connections open at once; further ones wait in the system's backlog.
    pub connections: usize,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            streams: 1_000,
            header_bytes: 64 * 1024,
            first_bytes_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(75),
            connections: 10_000,
        }
    }
}

/// How often an idle HTTP/2 connection is asked whether the other side still lives, and how long it may
/// take to answer.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// How long a connection that was accepted at the last moment may take to ask.
const FIRST_REQUEST: Duration = Duration::from_millis(100);

/// Between two tries to accept when the process has no descriptor left.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// The client's address, among a request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Serves `service` on `listener` until the drain closes listeners; then calls in flight have `grace` to
/// finish. HTTP/1.1 and HTTP/2 with prior knowledge share the port.
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    limits: ServeLimits,
    drain: &Drain,
    grace: Duration,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    serve_over(Plain, listener, service, limits, drain, grace).await;
}

/// As [`serve`], with what `transport` puts below HTTP.
pub async fn serve_over<T, S, B>(
    transport: T,
    listener: TcpListener,
    service: S,
    limits: ServeLimits,
    drain: &Drain,
    grace: Duration,
) where
    T: Transport,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let builder = builder(limits);
    let mut connections = JoinSet::new();
    let (finish, finishing) = watch::channel(false);
    let serve_one = |(stream, peer): (TcpStream, SocketAddr)| {
        let (transport, builder, service) = (transport.clone(), builder.clone(), service.clone());
        let (drain, mut finishing) = (drain.clone(), finishing.clone());
        async move {
            // Small frames wait for nobody: without this a call costs a delayed acknowledgement (40 ms).
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, %peer, "cannot set TCP_NODELAY");
            }
            let accepted = tokio::select! {
                accepted = transport.accept(stream, limits.first_bytes_timeout) => accepted,
                // Proxies hold connections in reserve: one that has said nothing must not hold up the end.
                () = silent_to_the_end(&mut finishing) => None,
            };
            if let Some((stream, protocol)) = accepted {
                let builder = match protocol {
                    Protocol::Either => builder,
                    Protocol::Http1 => builder.http1_only(),
                    Protocol::Http2 => builder.http2_only(),
                };
                let silence = limits.head_timeout;
                connection(builder, stream, peer, service, drain, finishing, silence).await;
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

    // What the system has accepted already is served: closing the listener would reset it. The listener goes
    // before the connections: a client that is sent away must not come back to it.
    for accepted in backlog(listener) {
        connections.spawn(serve_one(accepted));
    }
    finish.send_replace(true);
    let finished = timeout(grace, async { while connections.join_next().await.is_some() {} });
    tokio::select! {
        finished = finished => if finished.is_err() {
            tracing::warn!(connections = connections.len(), ?grace, "the grace period is over: closing");
        },
        () = drain.forced() => {}
    }
}

/// The connections that wait to be accepted; then the listener is closed. tokio's own `accept` would ask the system
/// only after the next turn of its driver.
fn backlog(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let mut waiting = Vec::new();
    if let Ok(listener) = listener.into_std() {
        // It never blocks: tokio made it so.
        while let Ok((stream, peer)) = listener.accept() {
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            waiting.extend(stream.map(|stream| (stream, peer)));
        }
    }
    waiting
}

fn builder(limits: ServeLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(usize::try_from(limits.header_bytes).unwrap_or(usize::MAX));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        // Callers that give up reset their streams, and all of them do when this process was frozen for a while.
        // By default (20) that passes for an attack, and the connection ends with every call on it.
        .max_pending_accept_reset_streams(usize::try_from(limits.streams).unwrap_or(usize::MAX))
        .max_header_list_size(limits.header_bytes)
        .keep_alive_interval(KEEP_ALIVE.0)
        .keep_alive_timeout(KEEP_ALIVE.1);
    builder
}

async fn connection<Io, S, B>(
    builder: Builder<TokioExecutor>,
    stream: Io,
    peer: SocketAddr,
    service: S,
    drain: Drain,
    mut finishing: watch::Receiver<bool>,
    silence: Duration,
) where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let asked = Arc::new(Asked::default());
    let asking = asked.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        asking.now();
        request.extensions_mut().insert(Peer(peer));
        let (service, drain) = (service.clone(), drain.clone());
        async move {
            let can_be_sent_away = request.version() <= Version::HTTP_11;
            let mut response = service.oneshot(request).await?;
            // From the beginning of the drain, an HTTP/1.1 client is told with each answer to use another
            // connection, so that none is idle when the listeners close: a request that crosses the close of
            // an idle connection is lost. HTTP/2 has GOAWAY for that.
            if can_be_sent_away && drain.has_begun() {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = finish(&mut finishing, &asked) => {
            // GOAWAY, or `connection: close` on the answer under way.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = asked.nothing_for(silence) => {
            tracing::debug!(%peer, "a client that asks nothing is cut off");
            return;
        }
    };
    if let Err(error) = ended {
        // Clients that leave half-way are the normal case, and no fault of ours.
        tracing::debug!(error, %peer, "connection ended");
    }
}

/// Resolves when the listener is closed, and who was accepted at the last moment has had time to speak.
async fn silent_to_the_end(finishing: &mut watch::Receiver<bool>) {
    // A sender that is gone says the same.
    let _ = finishing.wait_for(|finishing| *finishing).await;
    sleep(FIRST_REQUEST).await;
}

/// Resolves when the connection may be finished: the listener is closed, and a connection that was accepted at
/// the last moment has had time to ask. Shut down before it did, it would be closed under its first request.
async fn finish(finishing: &mut watch::Receiver<bool>, asked: &Asked) {
    // A sender that is gone says the same.
    let _ = finishing.wait_for(|finishing| *finishing).await;
    let _ = timeout(FIRST_REQUEST, asked.last.notified()).await;
}

/// Whether a connection's client has asked for something: since anybody looked, and ever.
#[derive(Default)]
struct Asked {
    last: Notify,
    first: Notify,
}

impl Asked {
    fn now(&self) {
        self.last.notify_one();
        self.first.notify_one();
    }

    /// Resolves when nothing was asked in the first `silence`. hyper watches HTTP/1.1's heads, but an HTTP/2 client
    /// that opens no stream, or does not even send its preface behind TLS, would be kept for ever.
    async fn nothing_for(&self, silence: Duration) {
        if timeout(silence, self.first.notified()).await.is_ok() {
            std::future::pending::<()>().await;
        }
    }
}

/// A connection that died in the backlog is nothing; a process without descriptors waits for some.
async fn after_accept_error(error: &io::Error) {
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        return;
    }
    tracing::warn!(%error, "cannot accept a connection");
    sleep(ACCEPT_BACKOFF).await;
}
