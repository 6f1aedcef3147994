//! The subcommands, one file each.

pub mod gateway;
pub mod service;
pub mod topology;
pub mod up;

use octet_runtime::drain::{Drain, DrainSettings};

use crate::failure::Failure;

/// Runs `work` on the one thread that a process of Octet has: a call costs less than half of what it costs on
/// two, and the host's other cores belong to the other processes.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| anyhow::Error::new(error).context("cannot start the runtime"))?;
    let outcome = runtime.block_on(work);
    // A second signal ends at once, so nothing may hold up the end.
    runtime.shutdown_background();
    outcome
}

fn drain_on_signals(settings: DrainSettings) -> Result<Drain, Failure> {
    let drain = Drain::on_signals(settings);
    Ok(drain.map_err(|error| anyhow::Error::new(error).context("cannot watch for signals"))?)
}
