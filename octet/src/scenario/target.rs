//! What a scenario may ask of a mesh that runs already.

use super::model::{Scenario, Verb};

/// Why the scenario cannot run against a running mesh: a sentence for each step that is not possible there.
pub(crate) fn refusals(scenario: &Scenario, knows_queues: bool) -> Vec<String> {
    let mut refused = Vec::new();
    if !scenario.environment.is_empty() {
        refused.push("[environment]: not possible with --target: its processes run already".to_owned());
    }
    for (number, action) in scenario.actions.iter().enumerate() {
        let why = match action.verb {
            Verb::Poison if knows_queues => continue,
            Verb::Poison => "the queues are not known: name them with --data or the environment",
            _ => "a scenario acts on the processes of its own mesh only",
        };
        refused.push(format!("action[{number}] ({action}): not possible with --target: {why}"));
    }
    refused
}
