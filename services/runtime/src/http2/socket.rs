//! The byte stream below a connection.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// A byte stream that knows when it was last read.
///
/// It does not offer to write several buffers at once. h2 then copies frames of up to 1 KiB behind each other, and the head,
/// the message and the trailers of a call take one system call. Otherwise each message of 256 bytes or more would take
/// one of its own, and wake the peer for itself.
pub(super) struct Socket<Io> {
    io: Io,
    last_read: LastRead,
}

/// When a socket was last read. Clones share it.
#[derive(Clone)]
pub(super) struct LastRead {
    start: Instant,
    /// Milliseconds after the start.
    millis: Arc<AtomicU64>,
}

impl<Io> Socket<Io> {
    pub(super) fn new(io: Io) -> (Self, LastRead) {
        let last_read = LastRead { start: Instant::now(), millis: Arc::default() };
        (Self { io, last_read: last_read.clone() }, last_read)
    }
}

impl LastRead {
    /// The time since then.
    pub(super) fn elapsed(&self) -> Duration {
        let last = Duration::from_millis(self.millis.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(last)
    }

    fn set(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.millis.store(millis, Ordering::Relaxed);
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Socket<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.io).poll_read(context, buffer));
        self.last_read.set();
        Poll::Ready(read)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Socket<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
