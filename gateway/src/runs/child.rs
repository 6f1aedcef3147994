//! The process of a run.

use std::{io, path::Path, process::Stdio, sync::Arc, time::Duration};

use octet_runtime::lifeline;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{Child, Command},
    sync::{Notify, OwnedSemaphorePermit},
    time::{Instant, sleep_until},
};

use super::{Kind, RunState, Runs};

/// Bytes of a report; one of ten minutes has about 150 KiB.
const MAX_REPORT: u64 = 1024 * 1024;

/// Bytes of its error messages that are kept.
const MAX_ERRORS: u64 = 4096;

/// What a stopped run may take to receive its last responses.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// How long a run may take to end when the gateway drains: a scenario removes its faults.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);

/// Starts the program. It gets nothing of the environment, which may have secrets, and no file of the current directory
/// has the name of a shipped scenario. When its standard input closes, which happens however this process ends, it ends too.
pub(super) fn start(program: &Path, arguments: &[String]) -> io::Result<Child> {
    Command::new(program)
        .args(arguments)
        .current_dir("/")
        .env_clear()
        .env(lifeline::VARIABLE, "stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Records the reports of the run until its end; stops it when asked to, ends it when the gateway drains, and kills it when
/// `patience` is over.
pub(super) async fn follow<K: Kind>(
    mut child: Child,
    runs: Runs<K>,
    id: String,
    (stop, turn): (Arc<Notify>, OwnedSemaphorePermit),
    patience: Duration,
) {
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else { return };
    let errors = tokio::spawn(first_bytes(stderr));
    let mut deadline = Instant::now() + patience;
    let program = K::PROGRAM;
    let reading = reports(stdout, program, |report| runs.update(&id, |run| run.report = Some(report)));
    tokio::pin!(reading);
    let mut drained = None;
    let failure = loop {
        tokio::select! {
            read = &mut reading => break drained.or(read.err()),
            () = stop.notified() => {
                terminate(&child);
                deadline = deadline.min(Instant::now() + STOP_PATIENCE);
            }
            () = sleep_until(deadline) => break drained.or(Some(format!("{program} did not end in time"))),
            () = runs.0.stage.drain.started(), if drained.is_none() => {
                drained = Some("the gateway was stopped".to_owned());
                drop(child.stdin.take());
                deadline = deadline.min(Instant::now() + DRAIN_PATIENCE);
            }
        }
    };
    if failure.is_some() {
        // It fails only if the process has ended.
        let _ = child.start_kill();
    }
    let status = child.wait().await;
    let errors = errors.await.unwrap_or_default();
    // Before the run is shown as ended: the next may start then.
    drop(turn);
    runs.update(&id, |run| {
        let reported = run.report.as_ref().and_then(|report| state(report));
        (run.state, run.failure) = match (failure, reported) {
            (None, Some(ended)) => (ended, None),
            (failure, _) => {
                let ended = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                let said = errors.trim();
                let found =
                    if said.is_empty() { format!("{program} ended early: {ended}") } else { said.to_owned() };
                (RunState::Failed, Some(failure.unwrap_or(found)))
            }
        };
        tracing::info!(%id, state = ?run.state, failure = run.failure, "{} ended", K::NAME);
    });
}

/// Makes it send no more, and report.
fn terminate(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It fails only if the process has ended; its id is not reused before it is waited for.
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Reads a report a line until the end.
async fn reports(
    stdout: impl AsyncRead + Unpin,
    program: &str,
    mut on_report: impl FnMut(Arc<RawValue>),
) -> Result<(), String> {
    let mut lines = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut lines).take(MAX_REPORT).read_until(b'\n', &mut line).await;
        match read.map_err(|error| format!("cannot read the report of {program}: {error}"))? {
            0 => return Ok(()),
            _ if !line.ends_with(b"\n") => {
                return Err(format!("the report of {program} is incomplete or too long"));
            }
            _ => {}
        }
        let report: Box<RawValue> =
            serde_json::from_slice(&line).map_err(|_| format!("the report of {program} is not JSON"))?;
        on_report(report.into());
    }
}

/// The state of a report, if the run has ended.
fn state(report: &RawValue) -> Option<RunState> {
    #[derive(Deserialize)]
    struct Report {
        state: String,
    }
    match serde_json::from_str::<Report>(report.get()).ok()?.state.as_str() {
        "done" => Some(RunState::Done),
        "stopped" => Some(RunState::Stopped),
        _ => None,
    }
}

/// Reads to the end, and keeps the beginning.
async fn first_bytes(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    // Whatever was read until an error is still of use.
    let _ = (&mut stderr).take(MAX_ERRORS).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}
