//! `octet scenario list`: the scenarios, and which of them can run against a running mesh.

use std::{process::ExitCode, time::Duration};

use serde::Serialize;
use serde_json::Value;

use super::{Known, block_on, place};
use crate::{
    cli::{Format, ScenarioList},
    failure::Failure,
    output,
    scenario::{
        mesh::topology_at,
        model::Scenario,
        shipped,
        target::{refusals, topology_refusal},
    },
};

/// One scenario.
#[derive(Serialize)]
struct Listed {
    name: String,
    title: String,
    /// The length of its load.
    seconds: f64,
    /// Why it cannot run against the target; empty if it can, or without a target.
    refused: Vec<String>,
}

/// The mesh of `--target`.
struct Target {
    topology: Value,
    knows_queues: bool,
}

/// Prints the list.
///
/// # Errors
/// [`Failure::Configuration`] if a directory cannot be read, or a file in it is no scenario; any other failure if the target
/// cannot be reached.
pub(super) fn run(arguments: &ScenarioList) -> Result<ExitCode, Failure> {
    // Only its topology is read, which is allowed on any host.
    let known = Known { data: arguments.data.as_deref(), allow_remote: false };
    let target = match &arguments.target {
        None => None,
        Some(url) => {
            let place = place(known, url, None)?;
            let knows_queues = place.connections.is_some();
            let topology = block_on(async { Ok(topology_at(place).await?) })?;
            Some(Target { topology, knows_queues })
        }
    };
    let listed: Vec<_> = shipped::list(arguments.directory.as_deref())?
        .into_iter()
        .map(|(name, scenario)| listed(name, &scenario, target.as_ref()))
        .collect();
    match arguments.format {
        Format::Json => output::line(serde_json::to_string(&listed).map_err(anyhow::Error::new)?),
        Format::Table => {
            for Listed { name, title, refused, .. } in listed {
                output::line(format!("{name:<28} {title}"));
                for line in refused {
                    output::line(format!("{:<28} - {line}", ""));
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn listed(name: String, scenario: &Scenario, target: Option<&Target>) -> Listed {
    let mut refused = Vec::new();
    if let Some(Target { topology, knows_queues }) = target {
        refused.extend(topology_refusal(scenario, topology).map(str::to_owned));
        refused.extend(refusals(scenario, *knows_queues));
    }
    let lasting: Duration = scenario.load.lasting;
    Listed { name, title: scenario.title.clone(), seconds: lasting.as_secs_f64(), refused }
}
