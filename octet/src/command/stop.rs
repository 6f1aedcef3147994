//! `octet stop`: ends the running `octet up` of a data directory.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{block_on, find_run};
use crate::{cli, failure::Failure, output};

/// The time between two looks at the process.
const INTERVAL: Duration = Duration::from_millis(20);

/// Ends it and waits until it has ended. That none runs is a success.
///
/// # Errors
/// [`Failure::Failed`] if it may not be signalled, or has not ended in time.
pub fn run(arguments: &cli::Stop) -> Result<(), Failure> {
    let Some(run) = find_run(&arguments.data)? else {
        output::line(format!("octet: no `octet up` runs in {}", arguments.data.display()));
        return Ok(());
    };
    let up = run.up;
    if let Err(error) = up.terminate()
        && up.is_alive()
    {
        let text = format!("cannot stop process {}: {error}", up.pid);
        return Err(Failure::Failed(anyhow::Error::msg(text)));
    }
    let limit = arguments.wait;
    let has_ended = block_on(async {
        let deadline = Instant::now() + limit;
        while up.is_alive() && Instant::now() < deadline {
            sleep(INTERVAL).await;
        }
        Ok(!up.is_alive())
    })?;
    if has_ended {
        output::line(format!("octet: stopped {} processes", run.processes.len()));
        return Ok(());
    }
    let limit = humantime::format_duration(limit);
    Err(Failure::Failed(anyhow::anyhow!(
        "process {} is still stopping after {limit}; its processes finish what they are doing, and `octet status{}` \
         shows them",
        up.pid,
        super::data_option(&arguments.data)
    )))
}
