//! `octet up`: the whole platform on this host.

use octet_runtime::environment::{Environment, ProcessEnvironment};

use super::block_on;
use crate::{
    cli,
    failure::Failure,
    runner::{DataDirectory, Plan, Ports, Runner},
    topology_file,
};

/// Starts everything, and ends it on Ctrl-C.
///
/// # Errors
/// [`Failure`], with nothing left running.
pub fn run(arguments: &cli::Up) -> Result<(), Failure> {
    let mut environment = Environment::new(&ProcessEnvironment);
    let file = topology_file::chosen(&mut environment, arguments.topology.as_deref());
    environment.finish(())?;
    let topology = topology_file::read(file.as_deref())?;
    let ports = arguments.base_port.map_or_else(Ports::usual, Ports::block);
    // Nothing is touched before everything is known to be in order.
    let place = std::path::absolute(&arguments.data)
        .map_err(|error| Failure::Configuration(format!("--data: {error}")))?;
    let plan = Plan::new(&topology, file.as_deref(), &ports, &place, &ProcessEnvironment)?;
    let data = DataDirectory::claim(&place)?;
    block_on(Runner::new(plan, data, arguments.logs).run())
}
