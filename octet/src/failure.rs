//! Failures of commands, and their exit statuses.

use std::process::ExitCode;

use octet_runtime::{environment::Faults, process::StartError};

use crate::output;

/// `EX_USAGE` of sysexits(3): the configuration is invalid, and a restart will not help.
pub(crate) const CONFIGURATION: u8 = 64;
/// Any other failure.
const FAILED: u8 = 1;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The environment, a file or a directory is invalid; the text contains every fault.
    #[error("{0}")]
    Configuration(String),
    /// Any other failure.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self::Configuration(faults.to_string())
    }
}

impl From<octet_topology::Findings> for Failure {
    fn from(findings: octet_topology::Findings) -> Self {
        Self::Configuration(findings.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Configuration { .. } => Self::Configuration(error.to_string()),
            StartError::Bind(_) | StartError::Internal(_) => Self::Failed(error.into()),
        }
    }
}

/// Prints the failure on stderr, and returns the exit status.
pub fn report(failure: &Failure) -> ExitCode {
    for line in failure.to_string().lines() {
        output::error(format!("octet: {line}"));
    }
    ExitCode::from(match failure {
        Failure::Configuration(_) => CONFIGURATION,
        Failure::Failed(_) => FAILED,
    })
}

/// The exit status of an invalid command line.
pub fn usage() -> ExitCode {
    ExitCode::from(CONFIGURATION)
}
