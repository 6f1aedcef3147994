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

/// Resolves once every process has answered, ready or not.
pub(super) async fn all_serve(processes: &[ProcessPlan]) {
    all(processes, |answer| answer.starts_with(b"HTTP/")).await;
}

/// Resolves once every process has answered that it is ready.
pub(super) async fn all_ready(processes: &[ProcessPlan]) {
    all(processes, is_yes).await;
}

/// Which processes are not ready, each with what it says of that.
pub(super) async fn reasons(processes: &[ProcessPlan]) -> Vec<String> {
    let mut reasons = Vec::new();
    for process in processes {
        let asked = timeout(TIMEOUT, ask(process.admin)).await;
        let reason = match asked {
            Ok(Ok(answer)) if is_yes(&answer) => continue,
            Ok(Ok(answer)) => {
                let text = String::from_utf8_lossy(&answer).into_owned();
                text.split("\r\n\r\n").nth(1).unwrap_or_default().trim().replace('\n', "; ")
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "does not answer".to_owned(),
        };
        reasons.push(format!("{}: {reason}", process.name));
    }
    reasons
}

async fn all(processes: &[ProcessPlan], satisfies: fn(&[u8]) -> bool) {
    let mut waiting: JoinSet<()> =
        processes.iter().map(|process| answers(process.admin, satisfies)).collect();
    while waiting.join_next().await.is_some() {}
}

async fn answers(admin: SocketAddr, satisfies: fn(&[u8]) -> bool) {
    while !timeout(TIMEOUT, ask(admin))
        .await
        .is_ok_and(|answer| answer.is_ok_and(|answer| satisfies(&answer)))
    {
        sleep(INTERVAL).await;
    }
}

/// Asks `/readyz`. HTTP/1.0 has the server close the connection, so the status line is all there is to read.
async fn ask(admin: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(admin).await?;
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn is_yes(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.0 200 ")
}
