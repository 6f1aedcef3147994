//! The state of all processes, as a table and as JSON.

use std::{fmt::Write as _, time::Duration};

use futures_util::future::join_all;
use octet_runtime::admin::{AdminClient, AdminReport, UnreadableAdmin};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::{
    runner::{Run, RunningProcess, State},
    terminal::{Colour, Terminal},
};

/// The state of a platform.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Processes that are ready.
    ready: usize,
    total: usize,
    /// Of `octet up`; absent in a gateway's list, as its process is.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    url: String,
    processes: Vec<ProcessReport>,
}

/// The state of one process. A figure that is not known is absent.
#[derive(Debug, Serialize)]
pub(super) struct ProcessReport {
    pub(super) name: String,
    pub(super) ready: bool,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restarts: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pid: Option<u32>,
    /// Share of one core, measured for half a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_bytes: Option<u64>,
    /// The queue that it consumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) queue: Option<Queue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) admin: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Queue {
    pub(super) waiting: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) oldest_seconds: Option<f64>,
    pub(super) dead_letters: u64,
}

impl Report {
    /// Reads all processes at once; `window` is the time over which CPU is measured.
    pub(super) async fn of(run: Run, client: &AdminClient, window: Duration) -> Self {
        let processes = run.processes.into_iter().map(|process| ProcessReport::of(process, client, window));
        let processes = join_all(processes).await;
        Self {
            ready: processes.iter().filter(|process| process.ready).count(),
            total: processes.len(),
            state: Some(run.state),
            pid: Some(run.up.pid),
            version: Some(run.version),
            url: run.url,
            processes,
        }
    }

    /// The list of the gateway at `url`.
    pub(super) fn of_list(url: &str, processes: Vec<ProcessReport>) -> Self {
        Self {
            ready: processes.iter().filter(|process| process.ready).count(),
            total: processes.len(),
            state: None,
            pid: None,
            version: None,
            url: url.to_owned(),
            processes,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready == self.total
    }

    pub(super) fn table(&self, terminal: Terminal) -> String {
        let headings = ["process", "state", "restarts", "version", "pid", "cpu", "memory", "queue"];
        let headings = (headings.map(str::to_owned), Colour::Dim);
        let rows = self
            .processes
            .iter()
            .map(|process| (process.cells(), if process.ready { Colour::Green } else { Colour::Red }));
        let rows: Vec<_> = std::iter::once(headings).chain(rows).collect();
        let mut widths = [0; 8];
        for (cells, _) in &rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = cell.chars().count().max(*width);
            }
        }
        let mut text = format!("{} of {} processes are ready", self.ready, self.total);
        if self.state == Some(State::Stopping) {
            text.push_str("; octet up is stopping");
        }
        // Writing to a String cannot fail.
        if let Some(pid) = self.pid {
            let _ = write!(text, " · octet up is process {pid}");
        }
        let _ = write!(text, " · {}\n\n", self.url);
        for (index, (cells, colour)) in rows.iter().enumerate() {
            let mut line = String::new();
            for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
                // Figures are aligned at their ends.
                let cell = match column {
                    2 | 4 | 5 | 6 => format!("{cell:>width$}"),
                    _ => format!("{cell:<width$}"),
                };
                let is_coloured = column == 1 || index == 0;
                let cell = if is_coloured { terminal.paint(*colour, &cell) } else { cell };
                let _ = write!(line, "{cell}  ");
            }
            let _ = writeln!(text, "  {}", line.trim_end());
        }
        let reasons: Vec<_> = self.processes.iter().filter_map(ProcessReport::described_reason).collect();
        if !reasons.is_empty() {
            let _ = write!(text, "\nnot ready:\n  {}\n", reasons.join("\n  "));
        }
        text
    }
}

impl ProcessReport {
    async fn of(process: RunningProcess, client: &AdminClient, window: Duration) -> Self {
        let before = client.report(process.admin).await;
        let measured = Instant::now();
        if before.is_ok() {
            sleep(window).await;
        }
        let after = if before.is_ok() { client.report(process.admin).await } else { before.clone() };
        Self::new(process, before, after, measured.elapsed())
    }

    fn new(
        process: RunningProcess,
        before: Result<AdminReport, UnreadableAdmin>,
        after: Result<AdminReport, UnreadableAdmin>,
        window: Duration,
    ) -> Self {
        let reason = match (&after, process.pid) {
            (Ok(report), _) => report.readiness.clone().err().map(|reason| reason.replace('\n', "; ")),
            (Err(_), None) => Some("is not running; it is restarted".to_owned()),
            (Err(error), Some(_)) => Some(error.to_string()),
        };
        let after = after.ok();
        let cpu = |report: Option<&AdminReport>| report.and_then(|report| report.cpu_seconds);
        let started = |report: Option<&AdminReport>| report.and_then(|report| report.started);
        let before = before.ok();
        // A process that was restarted in between has counted from zero.
        let is_same = started(before.as_ref()) == started(after.as_ref());
        let cpu_percent = cpu(before.as_ref()).zip(cpu(after.as_ref())).filter(|_| is_same);
        let cpu_percent = cpu_percent.map(|(from, to)| (to - from) / window.as_secs_f64() * 100.0);
        Self {
            name: process.name,
            ready: reason.is_none(),
            reason,
            restarts: Some(process.restarts),
            version: after.as_ref().and_then(|report| report.version.clone()),
            pid: process.pid,
            cpu_percent: cpu_percent.map(|percent| (percent * 10.0).round() / 10.0),
            memory_bytes: after.as_ref().and_then(|report| report.resident_bytes),
            queue: after.as_ref().and_then(|report| report.queue).map(|queue| Queue {
                waiting: queue.ready,
                oldest_seconds: queue.oldest_seconds,
                dead_letters: queue.dead_letters,
            }),
            address: Some(process.address.to_string()),
            admin: Some(process.admin.to_string()),
        }
    }

    fn cells(&self) -> [String; 8] {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            self.name.clone(),
            if self.ready { "ready" } else { "not ready" }.to_owned(),
            or_dash(self.restarts.map(|restarts| restarts.to_string())),
            or_dash(self.version.clone()),
            or_dash(self.pid.map(|pid| pid.to_string())),
            or_dash(self.cpu_percent.map(|percent| format!("{percent:.1} %"))),
            or_dash(self.memory_bytes.map(mebibytes)),
            self.queue.as_ref().map(Queue::to_string).unwrap_or_default(),
        ]
    }

    fn described_reason(&self) -> Option<String> {
        self.reason.as_ref().map(|reason| format!("{}: {reason}", self.name))
    }
}

/// With one digit after the point.
fn mebibytes(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

impl std::fmt::Display for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} waiting", self.waiting)?;
        if let Some(seconds) = self.oldest_seconds.filter(|_| self.waiting > 0) {
            write!(f, " (oldest {seconds:.0} s)")?;
        }
        write!(f, ", {} dead letters", self.dead_letters)
    }
}
