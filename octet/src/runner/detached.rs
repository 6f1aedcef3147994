//! `octet up --detach`: starts `octet up` in the background and waits until it is ready.

use std::{
    ffi::OsString,
    fs::OpenOptions,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::{
    data_directory::log_of,
    end_signal,
    follow::Tail,
    run_file::{Run, State},
};
use crate::{
    failure::{CONFIGURATION, Failure},
    output,
};

/// The log of the background process.
const NAME: &str = "up";

/// The time between two looks at the background process.
const INTERVAL: Duration = Duration::from_millis(50);

/// Runs this program with `arguments` in the background, prints what it prints, and returns when all processes are ready.
///
/// # Errors
/// [`Failure`] if it ends, or is not ready within `limit`; no process is left running then.
pub async fn start(data: &Path, arguments: Vec<OsString>, limit: Duration) -> Result<(), Failure> {
    let log = log_of(data, NAME);
    let open = || -> std::io::Result<std::fs::File> {
        std::fs::create_dir_all(data.join("logs"))?;
        OpenOptions::new().create(true).append(true).open(&log)
    };
    let output = open().map_err(|error| {
        Failure::Configuration(format!("--data: cannot write to {}: {error}", data.display()))
    })?;
    let mut tail = Tail::at_end(NAME.to_owned(), log.clone());
    let errors = output.try_clone().context("cannot start the background process")?;
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .context("cannot start the background process")?;

    let deadline = Instant::now() + limit;
    let reason = loop {
        let ended = child.try_wait().context("cannot watch the background process")?;
        print(&mut tail);
        if let Some(status) = ended {
            return Err(failure(status));
        }
        if is_ready(data, &child) {
            output::line("octet: running in the background");
            return Ok(());
        }
        if Instant::now() >= deadline {
            break format!(
                "not all processes were ready within {}, so they were stopped (log: {})",
                humantime::format_duration(limit),
                log.display()
            );
        }
        tokio::select! {
            () = sleep(INTERVAL) => {}
            () = end_signal() => break "interrupted, so the processes were stopped".to_owned(),
        }
    };
    terminate(&child);
    // A second signal ends this process, and the background process ends by itself.
    let _ = child.wait().await;
    print(&mut tail);
    Err(Failure::Failed(anyhow::Error::msg(reason)))
}

/// Prints what the background process has printed; its own errors are among that.
fn print(tail: &mut Tail) {
    // A log that cannot be read is no reason to stop.
    for line in tail.lines().unwrap_or_default() {
        if line.starts_with("octet: ") { output::error(line) } else { output::line(line) }
    }
}

fn failure(status: ExitStatus) -> Failure {
    let text = format!("the background process ended: {status}");
    if status.code() == Some(CONFIGURATION.into()) {
        Failure::Configuration(text)
    } else {
        Failure::Failed(anyhow::Error::msg(text))
    }
}

fn is_ready(data: &Path, child: &Child) -> bool {
    let run = Run::find(data).ok().flatten();
    run.is_some_and(|run| {
        run.state == State::Ready && u32::try_from(run.up.pid).is_ok_and(|pid| child.id() == Some(pid))
    })
}

fn terminate(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // This fails only if the process has ended; its id is not reused before it is waited for.
        let _ = kill_process(pid, Signal::TERM);
    }
}
