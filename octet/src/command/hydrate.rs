//! `octet hydrate`: copies new rows of databases into a lake.

#[cfg(feature = "lake")]
mod process;
mod settings;

use std::process::ExitCode;

#[cfg(feature = "lake")]
pub use process::jobs;
pub use settings::HydrateSettings;

use crate::{cli, failure::Failure};

/// Copies, prints what was copied, and returns the exit status.
///
/// # Errors
/// [`Failure`] if the configuration is invalid, or if nothing could be started.
#[cfg(feature = "lake")]
pub fn run(arguments: &cli::Hydrate) -> Result<ExitCode, Failure> {
    process::run(arguments)
}

/// Names the build that has the lake.
///
/// # Errors
/// Always.
#[cfg(not(feature = "lake"))]
pub fn run(_arguments: &cli::Hydrate) -> Result<ExitCode, Failure> {
    Err(Failure::Failed(anyhow::anyhow!(
        "this build of octet has no lake: `make build-lake` builds one, and the container image has it"
    )))
}
