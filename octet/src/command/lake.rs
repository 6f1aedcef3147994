//! `octet lake`: lists, verifies and condenses what `octet hydrate` copied.

use std::process::ExitCode;

#[cfg(feature = "lake")]
mod work;

use crate::{cli, failure::Failure};

/// Runs the subcommand. The exit status is 1 if `verify` found a fault.
///
/// # Errors
/// [`Failure::Configuration`] for an unknown topic or column; [`Failure::Failed`] if the lake cannot be read.
#[cfg(feature = "lake")]
pub fn run(action: &cli::Lake) -> Result<ExitCode, Failure> {
    super::block_on(work::run(action))
}

/// Names the build that has the lake.
///
/// # Errors
/// Always.
#[cfg(not(feature = "lake"))]
pub fn run(_action: &cli::Lake) -> Result<ExitCode, Failure> {
    Err(Failure::Failed(anyhow::anyhow!(
        "this build of octet has no lake: `make build-lake` builds one, and the container image has it"
    )))
}
