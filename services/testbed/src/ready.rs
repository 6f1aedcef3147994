//! Waiting for a server to answer.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::eventually;
use crate::lifeline::Process;

/// Of one probe: a server that accepts and does not answer is probed again.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Waits until `probe` returns true: a broker on a loaded machine needs some 15 s.
///
/// # Panics
/// When the process ends first, or the wait takes too long; with the end of the server's log.
pub(crate) async fn wait(
    server: &str,
    process: &mut Process,
    log: &Path,
    mut probe: impl AsyncFnMut() -> bool,
) {
    eventually(&format!("{server} answers"), async || {
        let ended = process.has_ended();
        assert!(!ended, "{server} ended while it started; its log ends:\n{}", tail(log));
        let answered = tokio::time::timeout(PROBE_TIMEOUT, probe()).await.unwrap_or(false);
        answered.then_some(()).ok_or_else(|| format!("its log ends:\n{}", tail(log)))
    })
    .await;
}

/// Whether `GET path` returns 200.
pub(crate) async fn is_ok(server: SocketAddr, path: &str) -> bool {
    get(&server.to_string(), path).await.is_ok_and(|(status, _)| status == 200)
}

/// The status and the body of `GET path` of a server, `host:port`, that closes the connection after its response.
///
/// # Errors
/// Those of the socket, and a response that is not HTTP.
pub async fn get(server: &str, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(server).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    let response = String::from_utf8_lossy(&response);
    let status = response.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let body = response.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    status.zip(body).ok_or_else(|| std::io::Error::other("the response is not HTTP"))
}

fn tail(log: &Path) -> String {
    let text = read(log);
    let lines: Vec<&str> = text.lines().collect();
    lines.split_at(lines.len().saturating_sub(40)).1.join("\n")
}

/// A log's text, which may not be UTF-8.
pub(crate) fn read(log: &Path) -> String {
    std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
