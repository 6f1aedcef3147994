//! Waiting for a server to answer.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::lifeline::Process;

/// From the program's start to its first answer. A loaded machine needs some 15 s for a broker.
const LIMIT: Duration = Duration::from_mins(1);
const BETWEEN_PROBES: Duration = Duration::from_millis(20);
/// One probe, so that a server which accepts and never answers is asked again.
const PROBE: Duration = Duration::from_secs(5);

/// Waits until `probe` answers true.
///
/// # Errors
/// What happened instead, with the end of the server's log.
pub(crate) async fn wait<P, A>(process: &mut Process, log: &Path, probe: P) -> Result<(), String>
where
    P: Fn() -> A,
    A: Future<Output = bool>,
{
    let started = Instant::now();
    while started.elapsed() < LIMIT {
        if process.has_ended() {
            return Err(format!("ended as it started; its log ends:\n{}", tail(log)));
        }
        if tokio::time::timeout(PROBE, probe()).await.unwrap_or(false) {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN_PROBES).await;
    }
    Err(format!("did not answer within {} s; its log ends:\n{}", LIMIT.as_secs(), tail(log)))
}

/// Whether `GET path` is answered with 200.
pub(crate) async fn says_so(server: SocketAddr, path: &str) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(server).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    asked.await.is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200 "))
}

fn tail(log: &Path) -> String {
    let text = read(log);
    let lines: Vec<&str> = text.lines().collect();
    lines.split_at(lines.len().saturating_sub(40)).1.join("\n")
}

/// A log's whole text; servers do not promise UTF-8.
pub(crate) fn read(log: &Path) -> String {
    std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
