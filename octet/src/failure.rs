//! How a command fails, and the exit status that says so.

use std::process::ExitCode;

use octet_collector::StartError as CollectorError;
use octet_gateway::StartError as GatewayError;
use octet_greeting::server::StartError as ServiceError;
use octet_runtime::environment::Faults;

use crate::output;

/// `EX_USAGE` of sysexits(3): the configuration is wrong, and starting again will not help.
pub(crate) const CONFIGURATION: u8 = 64;
/// Anything else.
const FAILED: u8 = 1;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The environment, a file or a directory is wrong; the text names each fault.
    #[error("{0}")]
    Configuration(String),
    /// Everything was in order, and yet.
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

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Open { .. } => Self::Configuration(error.to_string()),
            ServiceError::Bind(_) | ServiceError::Internal(_) => Self::Failed(error.into()),
        }
    }
}

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<CollectorError> for Failure {
    fn from(error: CollectorError) -> Self {
        Self::Failed(error.into())
    }
}

/// Says on stderr what went wrong, and answers with the exit status.
pub fn report(failure: &Failure) -> ExitCode {
    for line in failure.to_string().lines() {
        output::trouble(format!("octet: {line}"));
    }
    ExitCode::from(match failure {
        Failure::Configuration(_) => CONFIGURATION,
        Failure::Failed(_) => FAILED,
    })
}

/// The exit status of a wrong command line.
pub fn usage() -> ExitCode {
    ExitCode::from(CONFIGURATION)
}
