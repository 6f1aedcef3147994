//! The subcommands, one file each.

pub mod audit;
pub mod collector;
pub mod gateway;
pub mod service;
pub mod topology;
pub mod up;

use octet_runtime::drain::{Drain, DrainSettings};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::Failure;

/// Runs `work` on the one thread that a process of Octet has: a call costs less than half of what it costs on
/// two, and the host's other cores belong to the other processes.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| anyhow::Error::new(error).context("cannot start the runtime"))?;
    let outcome = runtime.block_on(work);
    // A second signal ends at once, so nothing may hold up the end.
    runtime.shutdown_background();
    outcome
}

/// Every connection is a descriptor, and the customary limit of 1,024 is for programs that use `select`.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // A system that refuses leaves the limit that it had.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn drain_on_signals(settings: DrainSettings) -> Result<Drain, Failure> {
    let drain = Drain::on_signals(settings);
    Ok(drain.map_err(|error| anyhow::Error::new(error).context("cannot watch for signals"))?)
}
