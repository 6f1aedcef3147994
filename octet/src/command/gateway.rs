//! `octet gateway`: parses the environment and runs the gateway.

use octet_gateway::GatewaySettings;
use octet_runtime::environment::{Environment, ProcessEnvironment};

use super::{block_on, drain_on_signals};
use crate::{failure::Failure, topology_file};

/// Runs the gateway until it has drained.
///
/// # Errors
/// [`Failure`] if the process cannot start.
pub fn run() -> Result<(), Failure> {
    let mut environment = Environment::new(&ProcessEnvironment);
    let file = topology_file::chosen(&mut environment, None);
    let topology = topology_file::read_or_note(&mut environment, file.as_deref());
    let settings = GatewaySettings::from_environment(&mut environment, topology);
    let Some(settings) = environment.finish(settings)? else { return Ok(()) };

    let _logs = settings.process.logs.clone().install("gateway");
    block_on(async {
        let drain = drain_on_signals(settings.process.drain)?;
        Ok(octet_gateway::run(settings, drain).await?)
    })
}
