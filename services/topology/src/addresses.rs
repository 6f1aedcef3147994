//! Which addresses of edges and faults exist in a mesh.

use octet_fault::{Address, Fault, GATEWAY, Party};

use crate::{
    model::Topology,
    quote::bare,
    raw::{RawNumber, RawTopology},
};

/// What addresses are checked against, of a topology that may still have findings.
pub(crate) struct Mesh<'a> {
    entry: Option<&'a str>,
    nodes: Vec<Node<'a>>,
}

struct Node<'a> {
    name: &'a str,
    calls: Vec<&'a str>,
    has_store: bool,
    publishes: bool,
    replicas: u64,
}

impl Topology {
    /// Checks that `fault` can act in this mesh.
    ///
    /// # Errors
    /// What is wrong with its address.
    pub fn check_fault(&self, fault: &Fault) -> Result<(), String> {
        Mesh::of(self).check(fault.at())
    }
}

impl<'a> Mesh<'a> {
    fn of(topology: &'a Topology) -> Self {
        let nodes = topology.services().iter().map(|service| Node {
            name: service.name.as_str(),
            calls: service.calls.iter().map(AsRef::as_ref).collect(),
            has_store: service.store.is_some(),
            publishes: service.publishes.is_some(),
            replicas: u64::from(service.replicas),
        });
        Self { entry: Some(topology.entry().name.as_str()), nodes: nodes.collect() }
    }

    pub(crate) fn of_raw(raw: &RawTopology<'a>) -> Self {
        let count = |number: Option<&RawNumber>| number.map(|number| number.value.unwrap_or(u64::MAX));
        let default = count(raw.defaults.replicas.as_ref()).unwrap_or(1);
        let nodes = raw.services.iter().filter_map(|service| {
            Some(Node {
                name: service.name.as_ref()?.value,
                calls: service.calls.iter().map(|call| call.value).collect(),
                has_store: service.store.is_some(),
                publishes: service.publishes.is_some(),
                replicas: count(service.role.replicas.as_ref()).unwrap_or(default),
            })
        });
        Self { entry: raw.entry.as_ref().map(|entry| entry.value), nodes: nodes.collect() }
    }

    /// Checks that something is at `address`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check(&self, address: &Address) -> Result<(), String> {
        for name in address.names() {
            let is_caller = matches!(address, Address::Call { caller, .. } if caller.name() == Some(name));
            if self.nodes.iter().all(|node| node.name != name) && !(is_caller && name == GATEWAY) {
                let names: Vec<_> = self.nodes.iter().map(|node| bare(node.name)).collect();
                return Err(format!("{name} is not a service; services are: {}", names.join(", ")));
            }
        }
        let any = |party: &Party, has: &dyn Fn(&Node<'_>) -> bool| {
            self.nodes.iter().any(|node| party.is(node.name) && has(node))
        };
        let exists = match address {
            Address::Service { name, replica } => {
                let replica = u64::from(replica.unwrap_or(1));
                any(name, &|node| node.replicas >= replica)
            }
            Address::Call { caller, callee } => self.has_call(caller, callee),
            Address::Store(name) => any(name, &|node| node.has_store),
            Address::Queue(name) => any(name, &|node| node.publishes),
        };
        if exists {
            return Ok(());
        }
        Err(match address {
            Address::Service { name, .. } => format!("{name} has no such replica"),
            Address::Call { .. } => format!("no service of this mesh makes the call {address}"),
            Address::Store(name) => format!("{name} has no store"),
            Address::Queue(name) => format!("{name} publishes to no queue"),
        })
    }

    /// Whether there is a call from `caller` to `callee`, that of the gateway included.
    fn has_call(&self, caller: &Party, callee: &Party) -> bool {
        let from_gateway = caller.is(GATEWAY) && self.entry.is_some_and(|entry| callee.is(entry));
        let calls = |node: &Node<'_>| caller.is(node.name) && node.calls.iter().any(|call| callee.is(call));
        from_gateway || self.nodes.iter().any(calls)
    }
}
