//! `octet topology`: checks a topology, prints it, or starts one.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::Path,
};

use octet_runtime::environment::{Environment, ProcessEnvironment};
use octet_topology::{MAX_BYTES, table};

use super::block_on;
use crate::{
    cli::{GraphFormat, Import, Learn, Topology},
    failure::Failure,
    isotope,
    learn::learn,
    output, runner, topology_file,
    zipkin_api::ZipkinApi,
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
        Topology::Schema => {
            output::line(
                serde_json::to_string_pretty(&octet_topology::schema()).map_err(anyhow::Error::new)?,
            );
        }
        Topology::Import(Import::Isotope { file }) => import(file)?,
        Topology::Learn(arguments) => learn_from(arguments)?,
        Topology::Init { file } => init(file)?,
    }
    Ok(())
}

/// Prints the topology of a graph of isotope, and reports what it does not say as the graph did.
fn import(file: &Path) -> Result<(), Failure> {
    let shown = file.display();
    let text = read_bounded(file)?;
    let imported =
        isotope::convert(&text).map_err(|invalid| Failure::Configuration(format!("{shown}:{invalid}")))?;
    for note in &imported.notes {
        output::error(format!("{shown}:{note}"));
    }
    // The user has no such file: its lines mean nothing to them, and its fields do.
    octet_topology::Topology::parse(&imported.toml, "converted").map_err(|findings| {
        let problems: Vec<_> = findings
            .iter()
            .map(|finding| format!("{shown}: {}: {}", finding.path, finding.message))
            .collect();
        Failure::Configuration(problems.join("\n"))
    })?;
    output::line(imported.toml.trim_end());
    Ok(())
}

/// Prints the topology of a mesh that has traces, and reports what it does not say as they did.
fn learn_from(arguments: &Learn) -> Result<(), Failure> {
    let url = &arguments.traces;
    let api = ZipkinApi::at(url)?;
    let number = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let traces = block_on(async { Ok(api.traces(number, arguments.lookback).await?) })?;
    let learned = learn(&traces).map_err(|why| Failure::Failed(anyhow::anyhow!("{url}: {why}")))?;
    for note in &learned.notes {
        output::error(format!("{url}: {note}"));
    }
    let count = counted(traces.len(), "trace");
    output::line(format!("# Learned from {count} by `octet topology learn`.\n{}", learned.toml.trim_end()));
    Ok(())
}

/// A file of at most one byte more than is accepted.
fn read_bounded(file: &Path) -> Result<String, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::Configuration(format!("{}: cannot be read: {error}", file.display()))
    };
    let mut text = String::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    File::open(file).map_err(unreadable)?.take(limit).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
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
