//! `octet audit --traces`: checks the traces of answers.

use std::process::ExitCode;

use super::EXAMPLES;
use crate::{
    audit::{
        Answers,
        telemetry::{Counters, Finding, TelemetryAudit},
    },
    cli::{Audit, Format},
    command::block_on,
    failure::Failure,
    output,
};

/// Audits, prints the report, and returns the exit status: 0 if every claimed span is there.
pub(super) fn run(arguments: &Audit, audit: &TelemetryAudit, answers: Answers) -> Result<ExitCode, Failure> {
    let mut findings = 0_usize;
    let mut on_finding = |finding: &Finding| {
        findings += 1;
        match (arguments.ids, arguments.format) {
            (true, Format::Table) => output::line(finding.to_string()),
            (true, Format::Json) => output::line(finding.to_json().to_string()),
            (false, Format::Table) if findings <= EXAMPLES => output::line(finding.to_string()),
            (false, _) => {}
        }
    };
    let report = block_on(async {
        let mut report = audit.run(answers, &mut on_finding).await?;
        if !arguments.metrics.is_empty() {
            audit.compare(&mut report, &Counters::fetch(&arguments.metrics).await?);
        }
        Ok(report)
    })?;
    match arguments.format {
        Format::Table => {
            if !arguments.ids && findings > EXAMPLES {
                output::line("… (--ids lists all findings)");
            }
            if findings > 0 {
                output::line("");
            }
            output::line(report.table());
        }
        Format::Json => {
            output::line(serde_json::to_string_pretty(&report.to_json()).map_err(anyhow::Error::new)?);
        }
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
