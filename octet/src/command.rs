//! The subcommands, one per file.

pub mod audit;
pub mod collector;
pub mod gateway;
pub mod load;
pub mod service;
pub mod topology;
pub mod up;

use octet_runtime::drain::{Drain, DrainSettings};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::Failure;

/// Runs `work` on a single thread: a call costs less than half of what it costs on two, and the other cores belong to
/// the other processes of the platform.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| anyhow::Error::new(error).context("cannot start the runtime"))?;
    let outcome = runtime.block_on(work);
    // After a second signal the process ends at once, so a blocking task must not delay it.
    runtime.shutdown_background();
    outcome
}

/// Every connection is a descriptor. The usual soft limit of 1,024 exists for programs that use `select`.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // If the system refuses, the old limit stays.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn drain_on_signals(settings: DrainSettings) -> Result<Drain, Failure> {
    let drain = Drain::on_signals(settings);
    Ok(drain.map_err(|error| anyhow::Error::new(error).context("cannot watch for signals"))?)
}
