//! `octet topology`: checks a topology or prints it.

use octet_runtime::environment::{Environment, ProcessEnvironment};
use octet_topology::table;

use crate::{
    cli::{Format, Topology},
    failure::Failure,
    output, topology_file,
};

/// Checks or prints a topology.
///
/// # Errors
/// [`Failure::Configuration`] with every finding.
pub fn run(action: &Topology) -> Result<(), Failure> {
    let mut environment = Environment::new(&ProcessEnvironment);
    match action {
        Topology::Check { file } => {
            let file = topology_file::chosen(&mut environment, file.as_deref());
            environment.finish(())?;
            let topology = topology_file::read(file.as_deref())?;
            let origin = file.map_or("built-in topology".to_owned(), |file| file.display().to_string());
            output::line(format!(
                "{origin}: valid; {} services, entry {}, {} greetings per answer",
                topology.services().len(),
                topology.entry().name,
                topology.greeting_order().len()
            ));
        }
        Topology::Show { format } => {
            let file = topology_file::chosen(&mut environment, None);
            environment.finish(())?;
            let topology = topology_file::read(file.as_deref())?;
            output::line(match format {
                Format::Table => table(&topology).trim_end().to_owned(),
                Format::Json => serde_json::to_string_pretty(&topology).map_err(anyhow::Error::new)?,
            });
        }
    }
    Ok(())
}
