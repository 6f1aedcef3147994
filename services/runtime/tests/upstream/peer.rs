//! An HTTP/2 peer that follows a script frame by frame, beyond what a server library allows.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use octet_testbed::http2_frames::{
    FrameStream,
    code::{INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM},
    flag::{ACK, END_HEADERS, END_STREAM},
    kind::{DATA, GOAWAY, HEADERS, RST_STREAM, SETTINGS},
    literal,
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

async fn follow(stream: TcpStream, script: Script, requests: &AtomicUsize) -> std::io::Result<()> {
    match script {
        Script::ResetAtOnce => return reset(&stream),
        Script::NeverReads => return std::future::pending().await,
        _ => {}
    }
    let Some(mut frames) = FrameStream::accept(stream, &[]).await else { return Ok(()) };
    while let Some(frame) = frames.read().await {
        let id = frame.stream;
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => frames.try_send(SETTINGS, ACK, 0, &[]).await?,
            // A request counts once its headers have arrived: its processing could have started by then.
            HEADERS => {
                requests.fetch_add(1, Ordering::SeqCst);
                match script {
                    Script::Respond => respond(&mut frames, id).await?,
                    Script::Plain(status, kind) => plain(&mut frames, id, status, kind).await?,
                    Script::Compressed => {
                        let head = grpc_head(&[("grpc-encoding", "gzip")]);
                        frames.try_send(HEADERS, END_HEADERS, id, &head).await?;
                        frames.try_send(DATA, 0, id, &[1, 0, 0, 0, 1, 0]).await?;
                    }
                    Script::Large => {
                        frames.try_send(HEADERS, END_HEADERS, id, &grpc_head(&[])).await?;
                        frames.try_send(DATA, 0, id, &[0, 0, 0x50, 0, 0, 0]).await?;
                    }
                    Script::ResetAfterRequest => return reset(&frames.0),
                    Script::CloseAfterRequest => return frames.0.shutdown().await,
                    Script::GoAwayBelow => return go_away(frames, 0, NO_ERROR).await,
                    Script::GoAwayAbove => return go_away(frames, id, NO_ERROR).await,
                    Script::GoAwayBlaming(error) => return go_away(frames, 0, error).await,
                    Script::GoAwayInError => return go_away(frames, id, INTERNAL_ERROR).await,
                    Script::RefuseStream => {
                        frames.try_send(RST_STREAM, 0, id, &REFUSED_STREAM.to_be_bytes()).await?;
                    }
                    Script::FailStream => {
                        frames.try_send(RST_STREAM, 0, id, &INTERNAL_ERROR.to_be_bytes()).await?;
                    }
                    Script::RespondLate | Script::Silent | Script::NeverReads | Script::ResetAtOnce => {}
                }
            }
            DATA if script == Script::RespondLate && frame.payload.len() > 5 => {
                respond(&mut frames, id).await?;
            }
            RST_STREAM if script == Script::RespondLate => respond(&mut frames, id).await?,
            _ => {}
        }
    }
    Ok(())
}

/// 200, one message of no bytes, `grpc-status: 0`.
async fn respond(frames: &mut FrameStream, id: u32) -> std::io::Result<()> {
    frames.try_send(HEADERS, END_HEADERS, id, &grpc_head(&[])).await?;
    frames.try_send(DATA, 0, id, &[0; 5]).await?;
    frames.try_send(HEADERS, END_HEADERS | END_STREAM, id, &literal("grpc-status", "0")).await
}

/// 200 in gRPC, with `more`.
fn grpc_head(more: &[(&str, &str)]) -> Vec<u8> {
    let fields = [("content-type", "application/grpc")].into_iter().chain(more.iter().copied());
    std::iter::once(0x88).chain(fields.flat_map(|(name, value)| literal(name, value))).collect()
}

async fn plain(frames: &mut FrameStream, id: u32, status: &str, kind: &str) -> std::io::Result<()> {
    let head = [literal(":status", status), literal("content-type", kind)].concat();
    frames.try_send(HEADERS, END_HEADERS, id, &head).await?;
    frames.try_send(DATA, END_STREAM, id, b"no healthy upstream").await
}

async fn go_away(mut frames: FrameStream, last: u32, error: u32) -> std::io::Result<()> {
    let payload = [last.to_be_bytes(), error.to_be_bytes()].concat();
    frames.try_send(GOAWAY, 0, 0, &payload).await?;
    let mut stream = frames.0;
    stream.shutdown().await?;
    // Read the rest, so that the system closes the connection instead of resetting it.
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

fn reset(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_zero_linger()
}
