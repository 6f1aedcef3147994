//! `octet collector`: parses the environment and runs the trace collector.

use octet_collector::CollectorSettings;
use octet_runtime::environment::{Environment, ProcessEnvironment};

use super::{block_on, drain_on_signals};
use crate::failure::Failure;

/// Runs the collector until it has drained.
///
/// # Errors
/// [`Failure`] if the process cannot start.
pub fn run() -> Result<(), Failure> {
    let mut environment = Environment::new(&ProcessEnvironment);
    let settings = CollectorSettings::from_environment(&mut environment);
    let settings = environment.finish(settings)?;

    let _logs = settings.process.logs.clone().install("collector");
    block_on(async {
        let drain = drain_on_signals(settings.process.drain)?;
        Ok(octet_collector::run(settings, drain).await?)
    })
}
