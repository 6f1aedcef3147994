//! HTTP/2 frame by frame (RFC 9113), for tests that go beyond what a library sends.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, ToSocketAddrs},
};

/// Types of frames (RFC 9113, 6).
pub mod kind {
    #![allow(missing_docs)]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub mod flag {
    #![allow(missing_docs)]
    pub const END_STREAM: u8 = 1;
    pub const ACK: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const PADDED: u8 = 8;
    pub const PRIORITY: u8 = 32;
}

/// Codes of errors (RFC 9113, 7).
pub mod code {
    #![allow(missing_docs)]
    pub const NO_ERROR: u32 = 0;
    pub const PROTOCOL_ERROR: u32 = 1;
    pub const INTERNAL_ERROR: u32 = 2;
    pub const REFUSED_STREAM: u32 = 7;
    pub const CANCEL: u32 = 8;
    pub const COMPRESSION_ERROR: u32 = 9;
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

/// The setting of a stream's initial window.
pub const INITIAL_WINDOW_SIZE: u16 = 4;

/// The setting of the number of streams that the other end may open.
pub const MAX_CONCURRENT_STREAMS: u16 = 3;

/// What a client sends first.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its type, of [`kind`].
    pub kind: u8,
    /// Its flags, of [`flag`].
    pub flags: u8,
    /// Its stream; 0 for the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The number at the start of `RST_STREAM`, or behind the last stream of GOAWAY.
    ///
    /// # Panics
    /// When the payload is too short.
    pub fn error_code(&self) -> u32 {
        let at = if self.kind == kind::GOAWAY { 4 } else { 0 };
        let bytes = self.payload.get(at..at + 4).expect("an error code");
        u32::from_be_bytes(bytes.try_into().expect("four bytes"))
    }

    /// Whether it is the last frame of its stream.
    pub fn ends_stream(&self) -> bool {
        matches!(self.kind, kind::DATA | kind::HEADERS) && self.flags & flag::END_STREAM != 0
    }
}

/// A frame's bytes.
///
/// # Panics
/// When the payload is longer than a frame can be.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// HPACK's literal header field without indexing, uncompressed (RFC 7541, 6.2.2).
///
/// # Panics
/// When the name or the value has 127 bytes or more.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        field.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("short"));
        field.extend_from_slice(text.as_bytes());
    }
    field
}

/// `:method: POST`, `:scheme: http` and `:authority: x`, with this path.
pub fn request_head(path: &str) -> Vec<u8> {
    [&[0x83, 0x86, 0x41, 1, b'x'][..], &literal(":path", path)].concat()
}

/// The payload of SETTINGS with one setting.
pub fn setting(id: u16, value: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// One end of a connection.
#[derive(Debug)]
pub struct FrameStream(pub TcpStream);

impl FrameStream {
    /// A client that has sent its preface and these settings.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn connect(address: impl ToSocketAddrs, settings: &[u8]) -> Self {
        let mut client = Self(TcpStream::connect(address).await.expect("connects"));
        client.0.write_all(PREFACE).await.expect("written");
        client.send(kind::SETTINGS, 0, 0, settings).await;
        client
    }

    /// A server that has read the client's preface and sent these settings; `None` where the client has left.
    pub async fn accept(mut stream: TcpStream, settings: &[u8]) -> Option<Self> {
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await.ok()?;
        let mut server = Self(stream);
        server.try_send(kind::SETTINGS, 0, 0, settings).await.ok()?;
        Some(server)
    }

    /// Sends a frame.
    ///
    /// # Panics
    /// When the other end has closed the connection.
    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.try_send(kind, flags, stream, payload).await.expect("written");
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the other end has closed the connection.
    pub async fn try_send(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> std::io::Result<()> {
        self.0.write_all(&frame(kind, flags, stream, payload)).await
    }

    /// The next frame; `None` at the end of the connection.
    pub async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes(stream) & 0x7fff_ffff, payload })
    }

    /// The next frame of a stream, after which the connection's own are acknowledged; `None` at the end of the connection.
    ///
    /// # Panics
    /// When the other end has closed its side only.
    pub async fn read_stream(&mut self, stream: u32) -> Option<Frame> {
        loop {
            let frame = self.read().await?;
            match frame.kind {
                _ if frame.stream == stream => return Some(frame),
                kind::SETTINGS | kind::PING if frame.flags & flag::ACK == 0 => {
                    let payload = if frame.kind == kind::PING { &frame.payload[..] } else { &[] };
                    self.send(frame.kind, flag::ACK, 0, payload).await;
                }
                _ => {}
            }
        }
    }
}
