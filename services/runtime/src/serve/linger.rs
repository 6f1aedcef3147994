//! Closes a connection so that its last responses arrive.
//!
//! A socket that is closed while received bytes are unread sends a reset, and so does one that receives more after that.
//! The client then fails when it writes, and with it fail the responses that it has not read yet. Thus the write side is
//! closed first, and what still arrives is discarded until the client closes its side (RFC 9112, 9.6).

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How long the client may take to close its side.
const MAX_TIME: Duration = Duration::from_secs(2);

/// How much is discarded: as much as an HTTP/2 client may send unasked.
const MAX_BYTES: usize = 1024 * 1024;

/// A stream that lingers when it is shut down.
pub(super) struct Linger<Io> {
    io: Io,
    /// From the moment when the write side is closed.
    closing: Option<Closing>,
}

struct Closing {
    expired: Pin<Box<Sleep>>,
    discarded: usize,
}

impl<Io> Linger<Io> {
    pub(super) fn new(io: Io) -> Self {
        Self { io, closing: None }
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Linger<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Linger<Io> {
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
        let Self { io, closing } = &mut *self;
        let closing = if let Some(closing) = closing {
            closing
        } else {
            ready!(Pin::new(&mut *io).poll_shutdown(context))?;
            closing.insert(Closing { expired: Box::pin(sleep(MAX_TIME)), discarded: 0 })
        };
        let mut bytes = [0; 8 * 1024];
        while closing.discarded < MAX_BYTES {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *io).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    closing.discarded += buffer.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return closing.expired.as_mut().poll(context).map(Ok),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
