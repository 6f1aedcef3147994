//! `octet up`: runs the whole platform on this host.

use octet_runtime::environment::{Environment, ProcessEnvironment};

use super::block_on;
use crate::{
    audit::Overrides,
    cli,
    failure::Failure,
    runner::{DataDirectory, Plan, Ports, Runner},
    topology_file,
};

/// Runs the platform until Ctrl-C.
///
/// # Errors
/// [`Failure`]; every process has ended by then.
pub fn run(arguments: &cli::Up) -> Result<(), Failure> {
    let mut environment = Environment::new(&ProcessEnvironment);
    let file = topology_file::chosen(&mut environment, arguments.topology.as_deref());
    let overrides = Overrides::VARIABLES.map(|name| (name, environment.text(name)));
    environment.finish(())?;
    let (topology, text) = topology_file::read_with_text(file.as_deref())?;
    let ports = arguments.base_port.map_or_else(Ports::standard, Ports::block);
    // The configuration is checked completely before anything is written.
    let directory = std::path::absolute(&arguments.data)
        .map_err(|error| Failure::Configuration(format!("--data: {error}")))?;
    let plan = Plan::new(&topology, file.as_deref(), &ports, &directory, &ProcessEnvironment)?;
    let data = DataDirectory::lock(&directory)?;
    data.record(&text, &overrides)?;
    block_on(Runner::new(plan, data, arguments.logs).run())
}
