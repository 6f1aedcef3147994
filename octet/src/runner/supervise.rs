//! Keeps one process running: restarts it at once the first time it ends, then with backoff, and reports each restart.

use std::{
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::ExitStatus,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::sync::watch;

use super::{
    Order,
    child::Running,
    control::{self, Hold, Holds},
    data_directory::DataDirectory,
    log_file,
    plan::ProcessPlan,
    run_file::RunFile,
};
use crate::{
    failure::{CONFIGURATION, Failure},
    output,
};

/// The wait before the second restart; it doubles with each further one, up to [`MAX_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(250);
const MAX_WAIT: Duration = Duration::from_secs(10);

/// A process that has run this long is restarted at once again.
const STEADY: Duration = Duration::from_secs(10);

/// The time between two checks of the log's size.
const LOG_CHECK: Duration = Duration::from_secs(5);

/// Runs `process` until it is ordered to end.
///
/// # Errors
/// [`Failure`] if the process cannot be started the first time, or rejects its configuration before the platform is up.
pub(super) async fn supervise(
    program: PathBuf,
    process: ProcessPlan,
    data: DataDirectory,
    run: RunFile,
    mut order: watch::Receiver<Order>,
    mut holds: watch::Receiver<Holds>,
) -> Result<(), Failure> {
    let name = &process.name;
    let drain = if process.receives_spans() { Order::DrainCollector } else { Order::Drain };
    let mut wait = Duration::ZERO;
    let mut restarts = 0;
    let mut starting = Running::start(&program, &process, &data, restarts)
        .with_context(|| format!("cannot start {name}"))
        .map(Some)?;
    loop {
        let started = Instant::now();
        // A failed restart counts as an end of the process: it is tried again, and the others keep running.
        let running = match starting.take() {
            Some(running) => Ok(running),
            None => Running::start(&program, &process, &data, restarts),
        };
        let ended = match running {
            Ok(mut running) => {
                run.set_pid(name, running.id());
                tokio::select! {
                    ended = ended_or_rotated(&mut running, &data, name) => ended,
                    hold = control::held(&mut holds, name) => {
                        match hold {
                            Hold::Stop => end(running, process.patience, &mut order).await,
                            Hold::Kill => {
                                running.kill();
                                // Nothing can ignore this signal.
                                let _ = running.ended().await;
                            }
                        }
                        run.set_pid(name, None);
                        tokio::select! {
                            () = control::released(&mut holds, name) => {}
                            () = ordered(&mut order, drain) => return Ok(()),
                        }
                        restarts += 1;
                        run.count_restart(name);
                        wait = Duration::ZERO;
                        continue;
                    }
                    () = ordered(&mut order, drain) => {
                        end(running, process.patience, &mut order).await;
                        run.set_pid(name, None);
                        return Ok(());
                    }
                }
            }
            Err(error) => Err(error),
        };
        run.set_pid(name, None);
        let refused = ended.as_ref().is_ok_and(|status| status.code() == Some(CONFIGURATION.into()));
        if refused && *order.borrow() == Order::Start {
            // A restart cannot help, and the user who has just started the platform can read the reason.
            let reason = log_file::last_line(&data.log(name)).unwrap_or_default();
            return Err(Failure::Configuration(format!("{name}: {}", reason.trim_start_matches("octet: "))));
        }

        if started.elapsed() >= STEADY {
            wait = Duration::ZERO;
        }
        let how = ended.map_or_else(|error| format!("could not be started: {error}"), how);
        let again = if wait.is_zero() { "at once".to_owned() } else { format!("in {wait:?}") };
        output::line(format!("octet: {name} {how}; restarting {again} (log: {})", data.log(name).display()));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = ordered(&mut order, drain) => return Ok(()),
        }
        restarts += 1;
        run.count_restart(name);
        wait = (wait * 2).clamp(FIRST_WAIT, MAX_WAIT);
    }
}

/// Resolves once the order is `wanted` or a later one; never if the runner is gone.
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

/// Drains the process; kills it on [`Order::Kill`] or after `patience`.
async fn end(mut running: Running, patience: Duration, order: &mut watch::Receiver<Order>) {
    if *order.borrow() < Order::Kill {
        running.terminate();
        tokio::select! {
            () = running.ended_within(patience) => return,
            () = ordered(order, Order::Kill) => {}
        }
    }
    running.kill();
    // Nothing can ignore this signal.
    let _ = running.ended().await;
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
