//! An HTTP/2 peer that follows a script frame by frame, beyond what a server library allows.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What the peer does on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Responds to every call.
    Respond,
    /// Resets the connection before it reads a byte.
    ResetAtOnce,
    /// Reads a request, then resets the connection.
    ResetAfterRequest,
    /// Reads a request, then closes the connection.
    CloseAfterRequest,
    /// Reads a request, sends GOAWAY below its stream, and closes.
    GoAwayBelow,
    /// Reads a request, sends GOAWAY that includes its stream, and closes.
    GoAwayAbove,
    /// As `GoAwayBelow`, with an error of the client's.
    GoAwayBlaming(u32),
    /// As `GoAwayAbove`, with an error of its own.
    GoAwayInError,
    /// Responds to a call with a message at once, and to one without when it has been cancelled.
    RespondLate,
    /// Refuses each stream, unprocessed.
    RefuseStream,
    /// Resets each stream with an error of its own.
    FailStream,
    /// Responds in plain HTTP, as a proxy does, with this status and this content type.
    Plain(&'static str, &'static str),
    /// Responds with a compressed message.
    Compressed,
    /// Starts a message of 5 MiB.
    Large,
    /// Reads and never responds.
    Silent,
    /// Accepts and never reads.
    NeverReads,
}

/// A peer that serves until it is dropped.
pub struct Peer {
    pub address: SocketAddr,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Peer {
    /// The first connection follows the first script, and so on; further connections follow the last.
    pub async fn start(scripts: &'static [Script]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::on(listener, scripts)
    }

    pub fn on(listener: TcpListener, scripts: &'static [Script]) -> Self {
        let address = listener.local_addr().expect("bound");
        let requests = Arc::new(AtomicUsize::new(0));
        let seen = requests.clone();
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = connections.clone();
        let task = tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0.. {
                let (stream, _) = listener.accept().await.expect("accepts");
                let script = scripts.get(number).or(scripts.last()).copied().expect("a script");
                let seen = seen.clone();
                accepted.fetch_add(1, Ordering::SeqCst);
                tasks.spawn(async move {
                    // A client that leaves is not a failure of the script.
                    let _ = follow(stream, script, &seen).await;
                });
            }
        });
        Self { address, requests, connections, task }
    }

    /// The connections that the peer accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many requests reached the peer, on all connections.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
pub const COMPRESSION_ERROR: u32 = 9;
pub const ENHANCE_YOUR_CALM: u32 = 11;

async fn follow(mut stream: TcpStream, script: Script, requests: &AtomicUsize) -> std::io::Result<()> {
    match script {
        Script::ResetAtOnce => return reset(&stream),
        Script::NeverReads => return std::future::pending().await,
        _ => {}
    }
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    write(&mut stream, SETTINGS, 0, 0, &[]).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let (kind, flags) = (head[3], head[4]);
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await?;
        match kind {
            SETTINGS if flags & ACK == 0 => write(&mut stream, SETTINGS, ACK, 0, &[]).await?,
            // A request counts once its headers have arrived: its processing could have started by then.
            HEADERS => {
                requests.fetch_add(1, Ordering::SeqCst);
                match script {
                    Script::Respond => respond(&mut stream, id).await?,
                    Script::Plain(status, kind) => plain(&mut stream, id, status, kind).await?,
                    Script::Compressed => {
                        let head = grpc_head(&[("grpc-encoding", "gzip")]);
                        write(&mut stream, HEADERS, END_HEADERS, id, &head).await?;
                        write(&mut stream, DATA, 0, id, &[1, 0, 0, 0, 1, 0]).await?;
                    }
                    Script::Large => {
                        write(&mut stream, HEADERS, END_HEADERS, id, &grpc_head(&[])).await?;
                        write(&mut stream, DATA, 0, id, &[0, 0, 0x50, 0, 0, 0]).await?;
                    }
                    Script::ResetAfterRequest => return reset(&stream),
                    Script::CloseAfterRequest => return stream.shutdown().await,
                    Script::GoAwayBelow => return go_away(stream, 0, NO_ERROR).await,
                    Script::GoAwayAbove => return go_away(stream, id, NO_ERROR).await,
                    Script::GoAwayBlaming(error) => return go_away(stream, 0, error).await,
                    Script::GoAwayInError => return go_away(stream, id, INTERNAL_ERROR).await,
                    Script::RefuseStream => {
                        write(&mut stream, RST_STREAM, 0, id, &REFUSED_STREAM.to_be_bytes()).await?;
                    }
                    Script::FailStream => {
                        write(&mut stream, RST_STREAM, 0, id, &INTERNAL_ERROR.to_be_bytes()).await?;
                    }
                    Script::RespondLate | Script::Silent | Script::NeverReads | Script::ResetAtOnce => {}
                }
            }
            DATA if script == Script::RespondLate && payload.len() > 5 => respond(&mut stream, id).await?,
            RST_STREAM if script == Script::RespondLate => respond(&mut stream, id).await?,
            _ => {}
        }
    }
}

/// 200, one message of no bytes, `grpc-status: 0`.
async fn respond(stream: &mut TcpStream, id: u32) -> std::io::Result<()> {
    write(stream, HEADERS, END_HEADERS, id, &grpc_head(&[])).await?;
    write(stream, DATA, 0, id, &[0; 5]).await?;
    let mut trailers = Vec::new();
    literal(&mut trailers, "grpc-status", "0");
    write(stream, HEADERS, END_HEADERS | END_STREAM, id, &trailers).await
}

/// 200 in gRPC, with `more`.
fn grpc_head(more: &[(&str, &str)]) -> Vec<u8> {
    let mut head = vec![0x88];
    for (name, value) in [("content-type", "application/grpc")].iter().chain(more) {
        literal(&mut head, name, value);
    }
    head
}

async fn plain(stream: &mut TcpStream, id: u32, status: &str, kind: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    literal(&mut head, ":status", status);
    literal(&mut head, "content-type", kind);
    write(stream, HEADERS, END_HEADERS, id, &head).await?;
    write(stream, DATA, END_STREAM, id, b"no healthy upstream").await
}

/// HPACK's literal header field without indexing, uncompressed (RFC 7541, 6.2.2).
fn literal(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        block.push(u8::try_from(text.len()).expect("short"));
        block.extend_from_slice(text.as_bytes());
    }
}

async fn go_away(mut stream: TcpStream, last: u32, error: u32) -> std::io::Result<()> {
    let mut payload = last.to_be_bytes().to_vec();
    payload.extend_from_slice(&error.to_be_bytes());
    write(&mut stream, GOAWAY, 0, 0, &payload).await?;
    stream.shutdown().await?;
    // Read the rest, so that the system closes the connection instead of resetting it.
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

fn reset(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_zero_linger()
}

async fn write(stream: &mut TcpStream, kind: u8, flags: u8, id: u32, payload: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&id.to_be_bytes());
    frame.extend_from_slice(payload);
    stream.write_all(&frame).await
}
