//! Waits until processes are ready.

use std::{io, net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::plan::ProcessPlan;

/// The time between two probes.
const INTERVAL: Duration = Duration::from_millis(10);

/// The timeout of one probe.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Resolves once every process has responded, ready or not.
pub(super) async fn all_serve(processes: &[ProcessPlan]) {
    all(processes, |response| response.starts_with(b"HTTP/")).await;
}

/// Resolves once every process has responded that it is ready.
pub(super) async fn all_ready(processes: &[ProcessPlan]) {
    all(processes, is_ready).await;
}

/// The processes that are not ready, each with the reason that it reports.
pub(super) async fn reasons(processes: &[ProcessPlan]) -> Vec<String> {
    let reasons = processes.iter().map(|process| async move {
        let reason = match timeout(TIMEOUT, probe(process.admin)).await {
            Ok(Ok(response)) if is_ready(&response) => return None,
            Ok(Ok(response)) => {
                let text = String::from_utf8_lossy(&response).into_owned();
                text.split("\r\n\r\n").nth(1).unwrap_or_default().trim().replace('\n', "; ")
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "does not respond".to_owned(),
        };
        Some(format!("{}: {reason}", process.name))
    });
    join_all(reasons).await.into_iter().flatten().collect()
}

async fn all(processes: &[ProcessPlan], satisfies: fn(&[u8]) -> bool) {
    let mut waiting: JoinSet<()> =
        processes.iter().map(|process| satisfied(process.admin, satisfies)).collect();
    while waiting.join_next().await.is_some() {}
}

async fn satisfied(admin: SocketAddr, satisfies: fn(&[u8]) -> bool) {
    while !timeout(TIMEOUT, probe(admin))
        .await
        .is_ok_and(|response| response.is_ok_and(|response| satisfies(&response)))
    {
        sleep(INTERVAL).await;
    }
}

/// Requests `/readyz`. After an HTTP/1.0 request the server closes the connection, so the response ends there.
async fn probe(admin: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(admin).await?;
    stream.write_all(b"GET /readyz HTTP/1.0\r\nhost: localhost\r\n\r\n").await?;
    let mut response = Vec::new();
    stream.take(4096).read_to_end(&mut response).await?;
    Ok(response)
}

fn is_ready(response: &[u8]) -> bool {
    response.starts_with(b"HTTP/1.0 200 ")
}
