//! `octet service NAME`: parses the environment and runs one service.

use octet_greeting::{ServiceSettings, server};
use octet_runtime::environment::{Environment, ProcessEnvironment};

use super::{block_on, drain_on_signals};
use crate::{failure::Failure, topology_file};

/// Runs the service until it has drained.
///
/// # Errors
/// [`Failure`] if the process cannot start.
pub fn run(name: Option<&str>) -> Result<(), Failure> {
    let mut environment = Environment::new(&ProcessEnvironment);
    let file = topology_file::chosen(&mut environment, None);
    let topology = topology_file::read_or_note(&mut environment, file.as_deref());
    let settings = ServiceSettings::from_environment(&mut environment, topology, name);
    let Some(settings) = environment.finish(settings)? else { return Ok(()) };

    let _logs = settings.process.logs.clone().install(settings.service.name.as_str());
    block_on(async {
        let drain = drain_on_signals(settings.process.drain)?;
        Ok(server::run(settings, drain).await?)
    })
}
