//! The connection to a peer: made when it is needed, shared by every request, and replaced when it has ended.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    SendStream,
    client::{Builder, ResponseFuture, SendRequest},
};
use http::{HeaderValue, Request, uri::Authority};
use tokio::{net::TcpStream, sync::watch, time::timeout};
use tonic::ConnectError;

use crate::http2::{
    KeepAlive,
    socket::{LastRead, Socket},
};

/// Streams that may be open before the peer has said how many it takes.
const INITIAL_STREAMS: usize = 100;

/// A peer, and how to reach it.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) address: SocketAddr,
    /// The authority of requests.
    pub(crate) authority: Authority,
    pub(crate) user_agent: HeaderValue,
    pub(crate) connect_timeout: Duration,
    pub(crate) keep_alive: KeepAlive,
    /// Flow-control windows in bytes, of a stream and of the connection.
    pub(crate) stream_window: u32,
    pub(crate) connection_window: u32,
    /// Cancelled streams whose late frames are ignored.
    pub(crate) remembered_resets: usize,
    /// Bytes of a response's headers.
    pub(crate) header_bytes: u32,
}

/// A connection that is made when it is needed.
pub(super) struct Lazy {
    pub(super) settings: Settings,
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    #[default]
    None,
    /// Every request that needs the connection waits for the same attempt, which goes on when they leave.
    Connecting(watch::Receiver<Option<Outcome>>),
    Connected(Arc<Connection>),
}

type Outcome = Result<Arc<Connection>, io::ErrorKind>;

/// An open connection.
pub(super) struct Connection {
    /// A stream beyond the peer's limit waits here for its turn, and those behind it: none of them has been sent.
    sender: tokio::sync::Mutex<SendRequest<Bytes>>,
}

/// Why a request was not sent.
pub(super) enum NotSent {
    /// The connection has ended, for this reason. The request is given back.
    Ended(Box<Request<()>>, h2::Error),
    /// The connection ended before the stream could open.
    Unopened(h2::Error),
    /// The request cannot be sent over HTTP/2.
    Invalid(h2::Error),
}

impl Lazy {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, state: Mutex::default() }
    }

    /// Returns the open connection; opens one if there is none.
    ///
    /// # Errors
    /// When the peer cannot be reached.
    pub(super) async fn connection(self: &Arc<Self>) -> Result<Arc<Connection>, ConnectError> {
        let mut attempt = {
            let mut state = self.state();
            match &*state {
                State::Connected(connection) => return Ok(connection.clone()),
                State::Connecting(attempt) => attempt.clone(),
                State::None => {
                    let (done, attempt) = watch::channel(None);
                    *state = State::Connecting(attempt.clone());
                    let lazy = self.clone();
                    tokio::spawn(async move {
                        let outcome = lazy.connect().await;
                        *lazy.state() = match &outcome {
                            Ok(connection) => State::Connected(connection.clone()),
                            Err(_) => State::None,
                        };
                        done.send_replace(Some(outcome));
                    });
                    attempt
                }
            }
        };
        // The sender is gone without an outcome only when the runtime ends.
        let outcome = attempt.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        outcome
            .unwrap_or(Err(io::ErrorKind::ConnectionAborted))
            .map_err(|kind| ConnectError(io::Error::from(kind).into()))
    }

    /// Lets the next request connect again, unless that has happened already.
    pub(super) fn forget(&self, ended: &Arc<Connection>) {
        let mut state = self.state();
        if matches!(&*state, State::Connected(connection) if Arc::ptr_eq(connection, ended)) {
            *state = State::None;
        }
    }

    async fn connect(self: &Arc<Self>) -> Outcome {
        let settings = &self.settings;
        let stream = match timeout(settings.connect_timeout, TcpStream::connect(settings.address)).await {
            Ok(connected) => connected.map_err(|error| error.kind())?,
            Err(_) => return Err(io::ErrorKind::TimedOut),
        };
        // Small frames are sent immediately: otherwise a call costs a delayed acknowledgement (40 ms).
        stream.set_nodelay(true).map_err(|error| error.kind())?;
        let (socket, last_read) = Socket::new(stream);
        let handshake = Builder::new()
            .initial_window_size(settings.stream_window)
            .initial_connection_window_size(settings.connection_window)
            .max_header_list_size(settings.header_bytes)
            // Until the peer's settings have arrived.
            .initial_max_send_streams(INITIAL_STREAMS)
            .max_concurrent_reset_streams(settings.remembered_resets)
            // h2 counts each late frame of a cancelled stream that it has forgotten as an error, and closes the connection
            // after 1,024 of them, with every call on it, however long that took. The peer is trusted, and one that does
            // not read the resets fails the pings.
            .max_local_error_reset_streams(None)
            .enable_push(false)
            .handshake(socket);
        let (sender, connection) = handshake.await.map_err(|error| kind(&error))?;
        let open = Arc::new(Connection { sender: tokio::sync::Mutex::new(sender) });
        let (lazy, ended) = (Arc::downgrade(self), Arc::downgrade(&open));
        let run = run(connection, settings.keep_alive, last_read);
        tokio::spawn(async move {
            run.await;
            if let (Some(lazy), Some(ended)) = (lazy.upgrade(), ended.upgrade()) {
                lazy.forget(&ended);
            }
        });
        Ok(open)
    }

    /// The state is consistent at every moment, also after a panic under the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drives a connection until it ends, or until the peer has vanished.
async fn run(
    mut connection: h2::client::Connection<Socket<TcpStream>, Bytes>,
    keep_alive: KeepAlive,
    last_read: LastRead,
) {
    let pings = connection.ping_pong();
    let lost = async {
        match pings {
            Some(pings) => keep_alive.lost(pings, last_read).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        ended = connection => if let Err(error) = ended {
            tracing::debug!(%error, "connection to the upstream ended");
        },
        () = lost => tracing::debug!("the upstream does not respond to pings; closing the connection"),
    }
}

impl Connection {
    /// Opens a stream for the request. `is_whole` says that it has no body.
    pub(super) async fn send(
        &self,
        request: Request<()>,
        is_whole: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), NotSent> {
        let mut sender = self.sender.lock().await;
        if let Err(error) = poll_fn(|context| sender.poll_ready(context)).await {
            return Err(NotSent::Ended(Box::new(request), error));
        }
        let sent = sender.send_request(request, is_whole).map_err(NotSent::Invalid)?;
        // A stream beyond the peer's limit opens later. Until then nothing else may wait on it, not even its body: h2 keeps
        // one waker for each stream, and the next request waits on the same.
        let mut is_waiting = false;
        let opened = poll_fn(|context| {
            let opened = sender.poll_ready(context);
            is_waiting |= opened.is_pending();
            opened
        });
        match opened.await {
            Err(error) if is_waiting => Err(NotSent::Unopened(error)),
            // An error now is one of the response too.
            _ => Ok(sent),
        }
    }
}

fn kind(error: &h2::Error) -> io::ErrorKind {
    error.get_io().map_or(io::ErrorKind::ConnectionAborted, io::Error::kind)
}
