//! `octet status`: the state of each process of the running `octet up`, or of those that a gateway knows.

mod board;
mod report;

use std::{path::Path, process::ExitCode, time::Duration};

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

/// The longest time for a gateway's list: it waits 2 s for each process.
const BOARD_LIMIT: Duration = Duration::from_secs(10);

/// Prints the state of each process, and returns the exit status: 0 if all are ready, otherwise 1.
///
/// # Errors
/// [`Failure::Failed`] if no `octet up` runs, or the gateway does not respond with its list.
pub fn run(arguments: &cli::Status) -> Result<ExitCode, Failure> {
    let mut environment = Environment::new(&ProcessEnvironment);
    let terminal = Terminal::from_environment(&mut environment);
    environment.finish(())?;
    let report = match &arguments.url {
        Some(url) => block_on(board::read(url, BOARD_LIMIT))?,
        None => of_data(&arguments.data)?,
    };
    if arguments.json {
        output::line(serde_json::to_string_pretty(&report).map_err(anyhow::Error::new)?);
    } else {
        output::line(report.table(terminal).trim_end());
    }
    Ok(if report.is_ready() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The state of the `octet up` in a data directory.
fn of_data(data: &Path) -> Result<Report, Failure> {
    let run = find_run(data)?.ok_or_else(|| {
        Failure::Failed(anyhow::anyhow!(
            "no `octet up` runs in {}; start one with `octet up{}`, or name its directory with --data",
            data.display(),
            data_option(data)
        ))
    })?;
    block_on(async { Ok(Report::of(run, &AdminClient::new(LIMIT), CPU_WINDOW).await) })
}
