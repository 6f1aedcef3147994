//! docs/configuration.md names every environment variable that a process reads, and no other.
#![allow(clippy::expect_used, reason = "a test fails by its panic")]

use std::{cell::RefCell, collections::BTreeSet, ffi::OsString};

use octet::topology_file;
use octet_collector::CollectorSettings;
use octet_gateway::GatewaySettings;
use octet_greeting::ServiceSettings;
use octet_runtime::environment::{Environment, Lookup};
use octet_topology::Topology;

const REFERENCE: &str = include_str!("../../docs/configuration.md");

/// An environment that notes which variables are read.
#[derive(Default)]
struct Recorder(RefCell<BTreeSet<String>>);

impl Lookup for Recorder {
    fn get(&self, name: &str) -> Option<OsString> {
        self.0.borrow_mut().insert(name.to_owned());
        // The sampler's argument is read only where the sampler takes one.
        (name == "OTEL_TRACES_SAMPLER").then(|| "traceidratio".into())
    }
}

fn read_by_processes() -> BTreeSet<String> {
    let recorder = Recorder::default();
    let mut environment = Environment::new(&recorder);
    let topology = Topology::built_in().expect("the built-in topology");
    topology_file::chosen(&mut environment, None);
    ServiceSettings::from_environment(&mut environment, topology.clone(), None);
    for service in topology.services() {
        ServiceSettings::from_environment(&mut environment, topology.clone(), Some(service.name.as_str()));
    }
    GatewaySettings::from_environment(&mut environment, topology.clone());
    CollectorSettings::from_environment(&mut environment);
    // One variable an upstream, of which the reference shows one.
    let url = |name: &str| name.starts_with("SERVICE_") && name.ends_with("_URL") && name != "SERVICE_B_URL";
    recorder.0.into_inner().into_iter().filter(|name| !url(name)).collect()
}

/// The names in backticks of each table row's first cell.
fn documented() -> BTreeSet<String> {
    let cells = REFERENCE.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.filter(|name| !name.contains('<')).map(str::to_owned).collect()
}

#[test]
fn the_reference_names_the_variables_that_processes_read() {
    let (read, documented) = (read_by_processes(), documented());
    let missing: Vec<_> = read.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&read).collect();
    assert!(missing.is_empty(), "docs/configuration.md lacks {missing:?}");
    assert!(unknown.is_empty(), "no process reads {unknown:?}, which docs/configuration.md names");
    assert!(read.len() > 50, "{read:?}");
}
