//! The subcommands, one per file.

pub mod audit;
pub mod collector;
pub mod completions;
pub mod fault;
pub mod gateway;
pub mod health;
pub mod hydrate;
pub mod lake;
pub mod load;
pub mod logs;
pub mod man;
pub mod scenario;
pub mod service;
pub mod status;
pub mod stop;
pub mod topology;
pub mod up;

use std::path::Path;

use octet_runtime::drain::{Drain, DrainSettings};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{cli::DEFAULT_DATA, failure::Failure, runner::Run};

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

/// The running `octet up` of a data directory.
fn find_run(data: &Path) -> Result<Option<Run>, Failure> {
    Run::find(data).map_err(|error| {
        Failure::Failed(anyhow::anyhow!("cannot read what runs in {}: {error}", data.display()))
    })
}

/// The option that names this data directory, where it is not the default.
pub(crate) fn data_option(path: &Path) -> String {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_default();
    let is_default = absolute(path) == absolute(Path::new(DEFAULT_DATA));
    if is_default { String::new() } else { format!(" --data {}", path.display()) }
}
