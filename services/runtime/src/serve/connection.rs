//! One connection of a server.

use std::{convert::Infallible, error::Error, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{Either, Empty};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Notify, watch},
    time::timeout,
};
use tower::{Service, ServiceExt};

use super::{
    ERROR_RESETS, FIRST_REQUEST, KEEP_ALIVE, Peer, Protocol, RequestBody, ServeLimits,
    early::{Direction, EarlyEnds, Watched},
    linger::Linger,
};
use crate::{drain::Drain, http2, metadata};

/// What serves a connection.
pub(super) struct Connection<S> {
    pub(super) peer: SocketAddr,
    pub(super) limits: ServeLimits,
    pub(super) service: S,
    pub(super) drain: Drain,
    /// Becomes true when the listener has closed.
    pub(super) finishing: watch::Receiver<bool>,
}

impl<S, B> Connection<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Serves the connection until its client closes it, or the drain does.
    pub(super) async fn serve<Io>(self, io: Io, protocol: Protocol)
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (peer, first_request) = (self.peer, self.limits.head_timeout);
        let requests = Arc::new(Requests::default());
        let io = Linger::new(io);
        let served = async {
            match protocol {
                Protocol::Http1 => self.http1(io, &requests).await,
                Protocol::Http2 => self.http2(io, &requests).await,
            }
        };
        tokio::select! {
            ended = served => if let Err(error) = ended {
                // Clients that leave early are normal.
                tracing::debug!(error, %peer, "connection ended");
            },
            () = requests.none_within(first_request) => {
                tracing::debug!(%peer, "no request on this connection; closing it");
            }
        }
    }

    async fn http1<Io>(self, io: Linger<Io>, requests: &Arc<Requests>) -> Result<(), Box<dyn Error>>
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { peer, limits, service, drain, mut finishing } = self;
        let (received, max_head) =
            (requests.clone(), usize::try_from(limits.header_bytes).unwrap_or(usize::MAX));
        let service = service_fn(move |request: Request<Incoming>| {
            received.notify();
            let mut request = request.map(|body| Watched::new(body.into(), Direction::unwatched()));
            request.extensions_mut().insert(Peer(peer));
            let (service, drain) = (service.clone(), drain.clone());
            async move {
                if head_size(&request) > max_head {
                    return Ok(headers_too_large());
                }
                let mut response = service.oneshot(request).await?.map(Either::Left);
                // From the start of the drain, each response asks the client to close its connection, so that none is idle
                // when the listeners close: a request that crosses the close of an idle connection is lost. HTTP/2 has
                // GOAWAY for that.
                if drain.has_started() {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_timeout)
            // Bounds the memory. A head may still be twice as large, depending on how its bytes arrive.
            .max_buf_size(max_head)
            .serve_connection(TokioIo::new(io), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => ended?,
            () = closing(&mut finishing, requests) => {
                // `connection: close` on the response in flight.
                connection.as_mut().graceful_shutdown();
                connection.await?;
            }
        }
        Ok(())
    }

    async fn http2<Io>(self, io: Linger<Io>, requests: &Arc<Requests>) -> Result<(), Box<dyn Error>>
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { peer, limits, service, mut finishing, .. } = self;
        let limits = http2::server::Limits {
            streams: limits.streams,
            unread_resets: limits.unread_resets,
            error_resets: ERROR_RESETS,
            header_bytes: limits.header_bytes,
            keep_alive: KEEP_ALIVE,
        };
        let early = Arc::new(EarlyEnds::default());
        let serve_one = |request: Request<http2::Incoming>| {
            requests.notify();
            let mut request = request.map(|body| Watched::new(body.into(), Direction::new(&early)));
            request.extensions_mut().insert(Peer(peer));
            let (service, responding) = (service.clone(), Direction::new(&early));
            async move {
                let Ok(response) = service.oneshot(request).await;
                response.map(|body| Watched::new(body, responding))
            }
        };
        let shut_down = async {
            tokio::select! {
                () = closing(&mut finishing, requests) => {}
                () = early.full() => {}
            }
        };
        Ok(http2::server::serve(io, limits, serve_one, shut_down).await?)
    }
}

/// The size of a request's head by HTTP/2's count (RFC 9113, 6.5.2).
fn head_size<B>(request: &Request<B>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    metadata::size(request.headers()).saturating_add(target)
}

/// 431, after which the connection is closed, as hyper and h2 respond where they notice it.
fn headers_too_large<B>() -> Response<Either<B, Empty<Bytes>>> {
    let mut response = Response::new(Either::Right(Empty::new()));
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Resolves when the listener has closed, and a connection that was accepted just before has had time for its first request,
/// which an earlier shutdown would lose.
async fn closing(finishing: &mut watch::Receiver<bool>, requests: &Requests) {
    // A dropped sender means the same.
    let _ = finishing.wait_for(|finishing| *finishing).await;
    let _ = timeout(FIRST_REQUEST, requests.last.notified()).await;
}

/// Notifies of a connection's requests: of the next one, and of the first one ever.
#[derive(Default)]
struct Requests {
    last: Notify,
    first: Notify,
}

impl Requests {
    fn notify(&self) {
        self.last.notify_one();
        self.first.notify_one();
    }

    /// Resolves when there was no request within `limit`. hyper limits the time of HTTP/1.1's heads; an HTTP/2 client may
    /// open no stream, or not send its preface over TLS.
    async fn none_within(&self, limit: Duration) {
        if timeout(limit, self.first.notified()).await.is_ok() {
            std::future::pending::<()>().await;
        }
    }
}
