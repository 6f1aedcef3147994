//! What a scenario may ask of a mesh that runs already.

use serde_json::Value;

use super::model::{Scenario, Verb};

/// Why the scenario cannot run against a running mesh: a sentence for each step that is not possible there.
pub(crate) fn refusals(scenario: &Scenario, knows_queues: bool) -> Vec<String> {
    let mut refused = Vec::new();
    if !scenario.environment.is_empty() {
        refused.push("[environment]: not possible in a running mesh: its processes run already".to_owned());
    }
    for (number, action) in scenario.actions.iter().enumerate() {
        let why = match action.verb {
            Verb::Poison if knows_queues => continue,
            Verb::Poison => "the queues are not known: name them with --data or the environment",
            _ => "a scenario acts on the processes of its own mesh only",
        };
        refused.push(format!("action[{number}] ({action}): not possible in a running mesh: {why}"));
    }
    refused
}

/// Why the scenario does not suit a mesh with this topology, as `/api/topology` shows it.
pub(crate) fn topology_refusal(scenario: &Scenario, topology: &Value) -> Option<&'static str> {
    let own = serde_json::to_value(&scenario.topology).ok()?;
    (own != *topology).then_some(if scenario.has_own_topology {
        "the mesh does not have the topology that the scenario names"
    } else {
        "the mesh does not have the built-in topology: the scenario must name that of the mesh with `topology`"
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{super::shipped, *};

    #[test]
    fn a_scenario_suits_a_mesh_with_its_topology_alone() {
        let read = |name: &str| shipped::read(Path::new(name)).unwrap();
        let (built_in, own) = (read("slow-leaf"), read("overload"));
        let topology = |scenario: &Scenario| serde_json::to_value(&scenario.topology).unwrap();
        assert_eq!(topology_refusal(&built_in, &topology(&built_in)), None);
        assert_eq!(topology_refusal(&own, &topology(&own)), None);
        let refused = topology_refusal(&built_in, &topology(&own)).unwrap();
        assert!(refused.contains("the built-in topology"), "{refused}");
        let refused = topology_refusal(&own, &topology(&built_in)).unwrap();
        assert!(refused.contains("that the scenario names"), "{refused}");
    }

    #[test]
    fn steps_that_need_the_processes_are_named() {
        let refused = refusals(&shipped::read(Path::new("rolling-restart")).unwrap(), true).join("\n");
        assert!(refused.contains("[environment]") && refused.contains("action[0] (restart"), "{refused}");
        let poison = shipped::read(Path::new("poison-messages")).unwrap();
        assert_eq!(refusals(&poison, true), Vec::<String>::new());
        assert_eq!(refusals(&poison, false).len(), 2);
    }
}
