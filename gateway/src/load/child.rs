//! The process of a run.

use std::{io, net::SocketAddr, path::Path, process::Stdio, sync::Arc, time::Duration};

use octet_runtime::lifeline;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{Child, Command},
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{Loads, RunState, plan::Plan};

/// Bytes of a report; one of ten minutes has about 150 KiB.
const MAX_REPORT: u64 = 1024 * 1024;

/// Bytes of its error messages that are kept.
const MAX_ERRORS: u64 = 4096;

/// What a stopped run may take to receive its last responses.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// Starts `octet load`. It gets nothing of the environment, which may have secrets. When its standard input closes, which
/// happens however this process ends, it ends too.
pub(super) fn start(program: &Path, address: SocketAddr, plan: &Plan) -> io::Result<Child> {
    Command::new(program)
        .args(plan.arguments(address))
        .env_clear()
        .env(lifeline::VARIABLE, "stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Records the reports of the run until its end; stops it when asked to, kills it when the gateway drains or `patience` is
/// over.
pub(super) async fn follow(
    mut child: Child,
    loads: Loads,
    id: String,
    stop: Arc<Notify>,
    patience: Duration,
) {
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else { return };
    let errors = tokio::spawn(first_bytes(stderr));
    let mut deadline = Instant::now() + patience;
    let reading = reports(stdout, |report| loads.update(&id, |run| run.report = Some(report)));
    tokio::pin!(reading);
    let failure = loop {
        tokio::select! {
            read = &mut reading => break read.err(),
            () = stop.notified() => {
                terminate(&child);
                deadline = deadline.min(Instant::now() + STOP_PATIENCE);
            }
            () = sleep_until(deadline) => break Some("octet load did not end in time".to_owned()),
            () = loads.0.drain.started() => break Some("the gateway was stopped".to_owned()),
        }
    };
    if failure.is_some() {
        // It fails only if the process has ended.
        let _ = child.start_kill();
    }
    let status = child.wait().await;
    let errors = errors.await.unwrap_or_default();
    loads.update(&id, |run| {
        let reported = run.report.as_ref().and_then(|report| state(report));
        (run.state, run.failure) = match (failure, reported) {
            (None, Some(ended)) => (ended, None),
            (failure, _) => {
                let ended = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                let said = errors.trim();
                let found = if said.is_empty() {
                    format!("octet load ended early: {ended}")
                } else {
                    said.to_owned()
                };
                (RunState::Failed, Some(failure.unwrap_or(found)))
            }
        };
        tracing::info!(%id, state = ?run.state, failure = run.failure, "load ended");
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
    mut on_report: impl FnMut(Arc<RawValue>),
) -> Result<(), String> {
    let mut lines = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut lines).take(MAX_REPORT).read_until(b'\n', &mut line).await;
        match read.map_err(|error| format!("cannot read the report of octet load: {error}"))? {
            0 => return Ok(()),
            _ if !line.ends_with(b"\n") => {
                return Err("the report of octet load is incomplete or too long".to_owned());
            }
            _ => {}
        }
        let report: Box<RawValue> =
            serde_json::from_slice(&line).map_err(|_| "the report of octet load is not JSON".to_owned())?;
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
