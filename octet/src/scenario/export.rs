//! Scenarios for other tools, which can say fewer of them.

mod chaostoolkit;
mod k6;
mod plan;

use octet_fault::duration_text;

use self::plan::Plan;
use super::model::{Check, Scenario};
use crate::cli::ScenarioTarget;

/// A scenario in another tool's form.
pub(crate) struct Exported {
    pub(crate) text: String,
    /// What the tool does not do: a sentence each.
    pub(crate) missing: Vec<String>,
}

/// Writes a scenario in the form of `to`.
pub(crate) fn export(scenario: &Scenario, to: ScenarioTarget) -> Exported {
    let plan = Plan::new(scenario);
    match to {
        ScenarioTarget::K6 => k6::export(scenario, &plan),
        ScenarioTarget::Chaostoolkit => chaostoolkit::export(scenario, &plan),
    }
}

/// What no other tool does, by its name.
fn common(scenario: &Scenario, tool: &str) -> Vec<String> {
    let mut missing = Vec::new();
    if !scenario.environment.is_empty() {
        let names: Vec<_> = scenario.environment.keys().map(String::as_str).collect();
        missing.push(format!("environment: start the mesh with {} yourself", names.join(", ")));
    }
    if scenario.has_own_topology {
        missing.push("topology: start the mesh with the scenario's topology yourself".to_owned());
    }
    for action in &scenario.actions {
        missing.push(format!(
            "action `{action}` at {}: {tool} cannot act on processes",
            duration_text(action.from)
        ));
    }
    missing
}

/// A check in words, with its part of the run.
fn expected(when: &str, check: &Check) -> String {
    format!("expectation `{when}: {check}`")
}

#[cfg(test)]
mod tests;
