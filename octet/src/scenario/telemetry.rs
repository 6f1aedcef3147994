//! The telemetry audit of a scenario's answers.

use std::{collections::BTreeMap, fs::File, io::BufReader, path::Path, time::Duration};

use super::mesh::Mesh;
use crate::{
    audit::{
        Answers, Overrides,
        telemetry::{Counters, Finding, FindingKind, TelemetryAudit, TelemetryReport},
    },
    zipkin_api::ZipkinApi,
};
use octet_topology::Topology;

/// Traces of each kind of finding that are kept.
const TRACES: usize = 3;

/// What the audit found.
pub(crate) struct Telemetry {
    pub(crate) report: TelemetryReport,
    /// Some traces that have a finding.
    pub(crate) traces: BTreeMap<FindingKind, Vec<String>>,
    /// Why counters were not compared.
    pub(crate) no_counters: Option<String>,
}

/// An audit that is ready to run.
pub(crate) struct Plan {
    audit: TelemetryAudit,
    /// The pages of the processes' metrics, and what they counted before the load; or why they are not read.
    counters: Result<(Vec<String>, Counters), String>,
}

impl Plan {
    /// Reads the counters before the load. Spans that are missing after it are waited for up to `wait`.
    pub(crate) async fn new(
        mesh: &Mesh,
        topology: &Topology,
        overrides: &Overrides,
        wait: Duration,
    ) -> anyhow::Result<Self> {
        let traces = ZipkinApi::at(&mesh.traces()?).map_err(|failure| anyhow::anyhow!("{failure}"))?;
        let counters = match mesh.metrics() {
            Ok(pages) => {
                let before = Counters::fetch(&pages).await.map_err(|failure| anyhow::anyhow!("{failure}"))?;
                Ok((pages, before))
            }
            Err(why) => Err(why),
        };
        Ok(Self { audit: TelemetryAudit::new(topology, overrides, traces, wait), counters })
    }

    /// Judges the answers of the file. The error says why that was not possible.
    pub(crate) async fn run(&self, answers: &Path) -> Result<Telemetry, String> {
        self.find(answers).await.map_err(|error| format!("{error:#}"))
    }

    async fn find(&self, answers: &Path) -> anyhow::Result<Telemetry> {
        let answers = Answers::new("the answers", Box::new(BufReader::new(File::open(answers)?)));
        let mut traces: BTreeMap<FindingKind, Vec<String>> = BTreeMap::new();
        let mut on_finding = |finding: &Finding| {
            let traces = traces.entry(finding.kind).or_default();
            let trace = finding.trace.to_string();
            if traces.len() < TRACES && !traces.contains(&trace) {
                traces.push(trace);
            }
        };
        let words = |failure: crate::failure::Failure| anyhow::anyhow!("{failure}");
        let mut report = self.audit.run(answers, &mut on_finding).await.map_err(words)?;
        let no_counters = match &self.counters {
            Ok((pages, before)) => {
                let now = Counters::fetch(pages).await.map_err(words)?;
                self.audit.compare(&mut report, &now.since(before));
                None
            }
            Err(why) => Some(why.clone()),
        };
        Ok(Telemetry { report, traces, no_counters })
    }
}
