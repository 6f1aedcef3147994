//! A topology's text.

use std::collections::BTreeSet;

use octet_topology::{MAX_GREETINGS, MAX_SERVICES, ServiceName, Topology, table};
use serde_json::{Value, json};

use crate::checks::{check_findings, lossy, one_line};

pub(crate) fn run(bytes: &[u8]) {
    let text = lossy(bytes);
    let read = Topology::parse(&text, "fuzz");
    assert_eq!(Topology::parse(&text, "fuzz"), read, "reading again gives another result");
    match read {
        Ok(topology) => check_topology(&topology),
        Err(findings) => check_findings(&text, &findings),
    }
}

fn check_topology(topology: &Topology) {
    let services = topology.services();
    assert!((1..=MAX_SERVICES).contains(&services.len()));
    let order = topology.greeting_order();
    assert_eq!(order.first(), Some(&&topology.entry().name));
    assert!(order.len() <= MAX_GREETINGS);

    let names: BTreeSet<_> = services.iter().map(|service| &service.name).collect();
    assert_eq!(names.len(), services.len(), "two services have the same name");
    assert!(order.iter().all(|name| names.contains(name)));
    assert!(topology.edges().all(|(caller, upstream)| caller != upstream && names.contains(upstream)));
    // Each service has its own variables.
    let prefixes: BTreeSet<_> = names.iter().map(|name| name.env_prefix()).collect();
    assert_eq!(prefixes.len(), names.len(), "{prefixes:?}");
    for service in services {
        assert!(
            service.consumes.is_none() || service.store.is_some(),
            "{} consumes without a store",
            service.name
        );
        one_line(service.greeting.as_str());
    }

    let shown = serde_json::to_value(topology).expect("a topology has a JSON form");
    assert_eq!(shown["order"], json!(order.iter().map(|name| ServiceName::as_str(name)).collect::<Vec<_>>()));
    assert_eq!(shown["services"].as_array().map(Vec::len), Some(services.len()));
    assert_eq!(shown["entry"], Value::from(topology.entry().name.as_str()));
    assert!(table(topology).lines().count() > services.len());
    assert_eq!(
        Topology::parse(&topology.to_toml(), "fuzz").as_ref(),
        Ok(topology),
        "its text is another topology"
    );
    for fault in topology.faults() {
        assert_eq!(octet_fault::parse(&fault.to_string()), Ok(vec![fault.clone()]));
        assert_eq!(topology.check_fault(fault), Ok(()));
    }
}
