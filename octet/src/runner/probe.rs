//! Waits until processes say that they are ready.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::plan::ProcessPlan;

/// Between two questions.
const INTERVAL: Duration = Duration::from_millis(10);

/// For one question.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Resolves once every process has answered that it is ready.
pub(super) async fn all_ready(processes: &[ProcessPlan]) {
    let mut waiting: JoinSet<()> = processes.iter().map(|process| ready(process.admin)).collect();
    while waiting.join_next().await.is_some() {}
}

async fn ready(admin: SocketAddr) {
    while !timeout(TIMEOUT, is_ready(admin)).await.is_ok_and(Result::unwrap_or_default) {
        sleep(INTERVAL).await;
    }
}

/// Asks `/readyz`. HTTP/1.0 has the server close the connection, so the status line is all there is to read.
async fn is_ready(admin: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(admin).await?;
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.0 200 "))
}
