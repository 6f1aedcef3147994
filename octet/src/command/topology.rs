//! `octet topology`: checks a topology, prints it, or starts one.

use std::{fs::OpenOptions, io::Write, path::Path};

use octet_runtime::environment::{Environment, ProcessEnvironment};
use octet_topology::table;

use crate::{
    cli::{GraphFormat, Topology},
    failure::Failure,
    output, runner, topology_file,
};

/// Checks, prints or starts a topology.
///
/// # Errors
/// [`Failure::Configuration`] with every finding, or if a new file cannot be written.
pub fn run(action: &Topology) -> Result<(), Failure> {
    let mut environment = Environment::new(&ProcessEnvironment);
    match action {
        Topology::Check { file } => {
            let file = topology_file::chosen(&mut environment, file.as_deref());
            environment.finish(())?;
            let topology = topology_file::read(file.as_deref())?;
            let origin = file.map_or("built-in topology".to_owned(), |file| file.display().to_string());
            output::line(format!(
                "{origin}: valid; {}, entry {}, {} per answer",
                counted(topology.services().len(), "service"),
                topology.entry().name,
                counted(topology.greeting_order().len(), "greeting")
            ));
            for note in runner::notes_of_topology(&topology) {
                output::error(format!("{origin}: warning: {note}"));
            }
        }
        Topology::Show { file, format } => {
            let file = topology_file::chosen(&mut environment, file.as_deref());
            environment.finish(())?;
            let topology = topology_file::read(file.as_deref())?;
            output::line(match format {
                GraphFormat::Table => table(&topology).trim_end().to_owned(),
                GraphFormat::Json => serde_json::to_string_pretty(&topology).map_err(anyhow::Error::new)?,
                GraphFormat::Toml => topology.to_toml().trim_end().to_owned(),
                GraphFormat::Dot => topology.to_dot().trim_end().to_owned(),
                GraphFormat::Mermaid => topology.to_mermaid().trim_end().to_owned(),
            });
        }
        Topology::Init { file } => init(file)?,
    }
    Ok(())
}

/// Writes the starting topology. An existing file is somebody's work.
fn init(file: &Path) -> Result<(), Failure> {
    let shown = file.display();
    let created = OpenOptions::new().write(true).create_new(true).open(file);
    created
        .and_then(|mut created| created.write_all(octet_topology::Topology::STARTING.as_bytes()))
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::Configuration(format!(
                "{shown}: already exists; choose another name or remove it first"
            )),
            _ => Failure::Configuration(format!("{shown}: cannot be written: {error}")),
        })?;
    output::line(format!(
        "{shown}: written; edit it, then run `octet topology check {shown}` and `octet up --topology {shown}`"
    ));
    Ok(())
}

/// `1 service`, `2 services`.
fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
