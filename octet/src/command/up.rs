//! `octet up`: runs the whole platform on this host.

use std::{ffi::OsString, path::Path, time::Duration};

use octet_runtime::environment::{Environment, ProcessEnvironment};

use super::block_on;
use crate::{
    audit::Overrides,
    cli,
    failure::Failure,
    runner::{DataDirectory, Place, Plan, Ports, Runner, start_detached},
    terminal::Terminal,
    topology_file,
};

/// How long `--detach` waits for readiness.
const DETACH_WAIT: Duration = Duration::from_mins(1);

/// Runs the platform until Ctrl-C, or starts it in the background.
///
/// # Errors
/// [`Failure`]; every process has ended by then.
pub fn run(arguments: &cli::Up) -> Result<(), Failure> {
    let mut environment = Environment::new(&ProcessEnvironment);
    let file = topology_file::chosen(&mut environment, arguments.topology.as_deref());
    let overrides = Overrides::VARIABLES.map(|name| (name, environment.text(name)));
    let terminal = Terminal::from_environment(&mut environment);
    environment.finish(())?;
    let (topology, text) = topology_file::read_with_text(file.as_deref())?;
    let ports = arguments.base_port.map_or_else(Ports::standard, Ports::block);
    // The configuration is checked completely before anything is written.
    let directory = std::path::absolute(&arguments.data)
        .map_err(|error| Failure::Configuration(format!("--data: {error}")))?;
    let plan = Plan::new(&topology, file.as_deref(), &ports, &directory, &ProcessEnvironment)?;
    if arguments.detach {
        let arguments_of_child = in_background(arguments, &directory);
        let limit = arguments.wait.unwrap_or(DETACH_WAIT);
        return block_on(start_detached(&directory, arguments_of_child, limit));
    }
    if arguments.background {
        // Out of the terminal's session, whose end would end this process. It fails only for the leader of a group.
        let _ = rustix::process::setsid();
    }
    let data = DataDirectory::lock(&directory)?;
    data.record(&text, &overrides)?;
    let place = if arguments.background { Place::Background } else { Place::Foreground };
    block_on(
        Runner::new(plan, data, arguments.logs.then_some(terminal), place)
            .controlled(arguments.controlled)
            .run(),
    )
}

/// The arguments of the background process.
fn in_background(arguments: &cli::Up, data: &Path) -> Vec<OsString> {
    let mut list: Vec<OsString> = vec!["up".into(), "--background".into(), "--data".into(), data.into()];
    if let Some(file) = &arguments.topology {
        list.extend(["--topology".into(), file.into()]);
    }
    if let Some(port) = arguments.base_port {
        list.extend(["--base-port".into(), port.to_string().into()]);
    }
    list
}
