//! Keeps one process running: restarted at once the first time it dies, then with backoff, and said so.

use std::{
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::ExitStatus,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::sync::watch;

use super::{Order, child::Running, data_directory::DataDirectory, log_file, plan::ProcessPlan};
use crate::{
    failure::{CONFIGURATION, Failure},
    output,
};

/// The first wait before a restart that is not the first; each next one is twice as long, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A process that ran this long had started well: its next restart is at once again.
const STEADY: Duration = Duration::from_secs(10);

/// How often the log's length is looked at.
const LOG_CHECK: Duration = Duration::from_secs(5);

/// Runs `process` until it is ordered to end.
///
/// # Errors
/// [`Failure`] when it cannot be started the first time, or refuses its configuration before the platform is up.
pub(super) async fn supervise(
    program: PathBuf,
    process: ProcessPlan,
    data: DataDirectory,
    mut order: watch::Receiver<Order>,
) -> Result<(), Failure> {
    let name = &process.name;
    let mut wait = Duration::ZERO;
    let mut starting = Running::start(&program, &process, &data)
        .with_context(|| format!("cannot start {name}"))
        .map(Some)?;
    loop {
        let started = Instant::now();
        // A restart that fails is tried again like a process that ends: the others go on meanwhile.
        let running = match starting.take() {
            Some(running) => Ok(running),
            None => Running::start(&program, &process, &data),
        };
        let ended = match running {
            Ok(mut running) => tokio::select! {
                ended = ended_or_rotated(&mut running, &data, name) => ended,
                () = ordered(&mut order, Order::Drain) => {
                    end(running, process.patience, &mut order).await;
                    return Ok(());
                }
            },
            Err(error) => Err(error),
        };
        let refused = ended.as_ref().is_ok_and(|status| status.code() == Some(CONFIGURATION.into()));
        if refused && *order.borrow() == Order::Start {
            // Starting again will not help, and whoever started the platform is there to read why.
            let reason = log_file::last_line(&data.log(name)).unwrap_or_default();
            return Err(Failure::Configuration(format!("{name}: {}", reason.trim_start_matches("octet: "))));
        }

        if started.elapsed() >= STEADY {
            wait = Duration::ZERO;
        }
        let how = ended.map_or_else(|error| format!("cannot run: {error}"), how);
        let again = if wait.is_zero() { "at once".to_owned() } else { format!("in {wait:?}") };
        output::line(format!("octet: {name} {how}: restarting {again} (log: {})", data.log(name).display()));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = ordered(&mut order, Order::Drain) => return Ok(()),
        }
        wait = (wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
    }
}

/// Resolves once the order is `wanted` or a later one. A runner that is gone orders nothing any more.
async fn ordered(order: &mut watch::Receiver<Order>, wanted: Order) {
    if order.wait_for(|order| *order >= wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn ended_or_rotated(
    running: &mut Running,
    data: &DataDirectory,
    name: &str,
) -> std::io::Result<ExitStatus> {
    loop {
        tokio::select! {
            ended = running.ended() => return ended,
            () = tokio::time::sleep(LOG_CHECK) => {
                if let Err(error) = log_file::rotate(&data.log(name)) {
                    output::line(format!("octet: cannot rotate the log of {name}: {error}"));
                }
            }
        }
    }
}

/// Has the process drain; kills it when ordered to, or when it does not end.
async fn end(mut running: Running, patience: Duration, order: &mut watch::Receiver<Order>) {
    if *order.borrow() < Order::Kill {
        running.terminate();
        tokio::select! {
            () = running.ended_within(patience) => return,
            () = ordered(order, Order::Kill) => {}
        }
    }
    running.kill();
    // It was told in the one way that nothing can refuse.
    let _ = running.ended().await;
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
