//! `octet status`: how each process of the running `octet up` does.

mod report;

use std::{process::ExitCode, time::Duration};

use octet_runtime::{
    admin::AdminClient,
    environment::{Environment, ProcessEnvironment},
};

use self::report::Report;
use super::{block_on, data_option, find_run};
use crate::{cli, failure::Failure, output, terminal::Terminal};

/// The longest time for what one process reports.
const LIMIT: Duration = Duration::from_secs(2);

/// The time over which CPU is measured.
const CPU_WINDOW: Duration = Duration::from_millis(500);

/// Prints the state of each process, and returns the exit status: 0 if all are ready, otherwise 1.
///
/// # Errors
/// [`Failure::Failed`] if no `octet up` runs.
pub fn run(arguments: &cli::Status) -> Result<ExitCode, Failure> {
    let mut environment = Environment::new(&ProcessEnvironment);
    let terminal = Terminal::from_environment(&mut environment);
    environment.finish(())?;
    let data = &arguments.data;
    let run = find_run(data)?.ok_or_else(|| {
        Failure::Failed(anyhow::anyhow!(
            "no `octet up` runs in {}; start one with `octet up{}`, or name its directory with --data",
            data.display(),
            data_option(data)
        ))
    })?;
    let report = block_on(async { Ok(Report::of(run, &AdminClient::new(LIMIT), CPU_WINDOW).await) })?;
    if arguments.json {
        output::line(serde_json::to_string_pretty(&report).map_err(anyhow::Error::new)?);
    } else {
        output::line(report.table(terminal).trim_end());
    }
    Ok(if report.is_ready() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
