//! The layer below HTTP: plain TCP, or TLS.

use std::{io::ErrorKind, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite, Interest},
    net::TcpStream,
    time::timeout,
};

/// How long to wait for the next event of a connection with an incomplete HTTP/2 preface before looking again, in case an
/// event came between the look and the wait.
const PREFACE_POLL: Duration = Duration::from_secs(1);

/// Accepts connections.
pub trait Transport: Clone + Send + Sync + 'static {
    /// The byte stream that carries HTTP.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// `https` with TLS, else `http`.
    const SCHEME: &'static str;

    /// Prepares one connection within `limit`; `None` where its client is too slow, has left, or does not speak the protocol.
    fn accept(
        &self,
        stream: TcpStream,
        limit: Duration,
    ) -> impl Future<Output = Option<(Self::Stream, Protocol)>> + Send;
}

/// The version of HTTP of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// HTTP over plain TCP: 1.1, or 2 with prior knowledge.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl Transport for Plain {
    type Stream = TcpStream;

    const SCHEME: &'static str = "http";

    async fn accept(&self, stream: TcpStream, limit: Duration) -> Option<(TcpStream, Protocol)> {
        let protocol = timeout(limit, protocol(&stream)).await.ok()??;
        Some((stream, protocol))
    }
}

/// Determines the version of HTTP from the client's first bytes; `None` if the client closed the connection before.
async fn protocol(stream: &TcpStream) -> Option<Protocol> {
    const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut bytes = [0; PREFACE.len()];
    loop {
        let read = stream.peek(&mut bytes).await.unwrap_or_default();
        if read == 0 {
            return None;
        }
        if !PREFACE.starts_with(bytes.get(..read).unwrap_or_default()) {
            return Some(Protocol::Http1);
        }
        if read == PREFACE.len() {
            return Some(Protocol::Http2);
        }
        // Peeking leaves the socket readable. Clearing that state makes `ready` wait for the next event: more bytes, or the
        // close of the connection.
        let _ = stream.try_io(Interest::READABLE, || Err::<(), _>(ErrorKind::WouldBlock.into()));
        if let Ok(Ok(ready)) = timeout(PREFACE_POLL, stream.ready(Interest::READABLE)).await
            && ready.is_read_closed()
        {
            return None;
        }
    }
}
