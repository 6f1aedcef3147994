//! The telemetry audit: checks that traces and counters show what the answers prove.
//!
//! An answer names its trace, and its greetings are the calls that were made. `expected` derives the spans from them,
//! `judge` compares them with those of the trace, and `counters` the metrics of the processes.

mod counters;
mod expected;
mod exposition;
mod judge;
mod label;
mod nodes;
mod report;
mod table;

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use octet_topology::Topology;
use octet_zipkin::TraceId;

pub use self::{
    counters::{Compared, Counter, Counters},
    report::{EdgeSpans, Finding, FindingKind, TelemetryReport},
};
use self::{
    expected::Expected,
    judge::{Fault, SharedTrace, judge},
    label::Label,
};
use super::{Answers, Overrides, TraceName, check::Patience, graph::Graph};
use crate::{failure::Failure, zipkin_api::ZipkinApi};

/// How many answers are held while their spans arrive.
const WINDOW: usize = 512;

/// How many traces are fetched at once: Octet's collector answers four queries at a time.
const CONCURRENT: usize = 4;

/// Audits the telemetry of one platform.
pub struct TelemetryAudit {
    graph: Graph,
    traces: ZipkinApi,
    wait: Duration,
}

/// An answer whose trace is to be judged.
struct Claimed {
    line: u64,
    name: TraceName,
    expected: Expected,
}

impl TelemetryAudit {
    /// An audit of the platform of `topology`, whose traces are at `traces`. Spans that are missing are waited for up to
    /// `wait`: processes report them with a delay.
    pub fn new(topology: &Topology, overrides: &Overrides, traces: ZipkinApi, wait: Duration) -> Self {
        Self { graph: Graph::new(topology, overrides), traces, wait }
    }

    /// Judges the traces of `answers`. Calls `on_finding` for every finding.
    ///
    /// # Errors
    /// [`Failure::Configuration`] if `answers` are malformed; [`Failure::Failed`] if traces cannot be read. A finding is not
    /// an error.
    pub async fn run(
        &self,
        mut answers: Answers,
        on_finding: &mut dyn FnMut(&Finding),
    ) -> Result<TelemetryReport, Failure> {
        let mut report = TelemetryReport::default();
        let deadline = Instant::now().checked_add(self.wait);
        loop {
            let (window, is_last) = self.read(&mut answers, &mut report)?;
            let left =
                deadline.map_or(self.wait, |deadline| deadline.saturating_duration_since(Instant::now()));
            self.judge_all(window, left, &mut report, on_finding).await?;
            if is_last {
                break;
            }
        }
        Ok(report)
    }

    /// Adds what `counters` show to a report. Read them after [`run`](Self::run), so that messages are consumed.
    pub fn compare(&self, report: &mut TelemetryReport, counters: &Counters) {
        let compared = counters.compare(&self.graph, &report.proven, report.answers, report.retried);
        report.counters = Some(compared);
    }

    /// The next answers with a trace to judge, and whether they are the last.
    fn read(
        &self,
        answers: &mut Answers,
        report: &mut TelemetryReport,
    ) -> Result<(Vec<Claimed>, bool), Failure> {
        let mut window = Vec::new();
        while window.len() < WINDOW {
            let Some(mut answer) = answers.read()? else { return Ok((window, true)) };
            report.answers += 1;
            let Ok(expected) = Expected::of(&self.graph, &mut answer) else {
                report.invalid += 1;
                continue;
            };
            for (label, number) in &expected.spans {
                *report.proven.entry(*label).or_default() += number;
            }
            match answer.trace {
                None => report.unnamed += 1,
                Some(name) if !name.is_recorded => report.unrecorded += 1,
                Some(name) => window.push(Claimed { line: answer.line, name, expected }),
            }
        }
        Ok((window, false))
    }

    /// Judges traces until none lacks a span, or the wait is over.
    async fn judge_all(
        &self,
        mut pending: Vec<Claimed>,
        wait: Duration,
        report: &mut TelemetryReport,
        on_finding: &mut dyn FnMut(&Finding),
    ) -> Result<(), Failure> {
        let mut patience = Patience::new(wait);
        let mut is_last = wait.is_zero();
        while !pending.is_empty() {
            let fetched = stream::iter(pending).map(async |claimed| {
                let spans = self.traces.trace(claimed.name.trace).await;
                (claimed, spans)
            });
            let mut fetched = fetched.buffered(CONCURRENT);
            let mut incomplete = Vec::new();
            while let Some((claimed, spans)) = fetched.next().await {
                match judge(&self.graph, &claimed.expected, claimed.name.span, &spans?) {
                    Ok(judged)
                        if !is_last
                            && judged.faults.iter().any(|(_, fault)| matches!(fault, Fault::Lost(_))) =>
                    {
                        incomplete.push(claimed);
                    }
                    Ok(judged) => {
                        let finding = |label: &Label, fault: &Fault| {
                            Finding::new(&self.graph, (claimed.line, claimed.name.trace), label, fault)
                        };
                        for (label, fault) in &judged.faults {
                            on_finding(&finding(label, fault));
                        }
                        report.add(&self.graph, &claimed.expected, &judged);
                    }
                    Err(SharedTrace) => report.shared += 1,
                }
            }
            drop(fetched);
            pending = incomplete;
            if !pending.is_empty() {
                is_last = !patience.pause().await;
            }
        }
        Ok(())
    }
}

/// The id in reports.
type Trace = TraceId;
