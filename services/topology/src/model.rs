//! The validated topology.

use std::{fmt, str::FromStr};

use octet_fault::{Fault, GATEWAY, Seed};
use serde::Serialize;

use crate::{
    behaviour::Behaviour,
    edge::{EdgeRule, EdgeSettings, resolve},
    name::{CollectionName, DatabaseName, GreetingText, InvalidText, QueueName, ServiceName},
};

/// What a service does when an upstream fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// The first failed upstream fails the call.
    #[default]
    Strict,
    /// The answer omits failed upstreams and reports them as missing.
    Partial,
}

impl Policy {
    /// Its spelling in topologies and variables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Partial => "partial",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Policy {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        [Self::Strict, Self::Partial]
            .into_iter()
            .find(|policy| policy.as_str() == text)
            .ok_or_else(|| InvalidText::new(text, "policy", "use strict or partial"))
    }
}

/// Where a service stores the greetings that it receives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Store {
    /// A database of the server, or a file's name without its extension.
    pub database: DatabaseName,
    /// The collection in it.
    pub collection: CollectionName,
}

impl fmt::Display for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.database, self.collection)
    }
}

/// The role of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Unique in its topology.
    pub name: ServiceName,
    /// The text of its greeting.
    pub greeting: GreetingText,
    /// Its upstreams, in the order of their greetings in its answer.
    pub calls: Vec<ServiceName>,
    /// The same upstreams in steps: those of a step are called concurrently, and the steps one after the other. At most
    /// one step where the file has a flat list.
    #[serde(skip_serializing_if = "is_one_step")]
    pub steps: Vec<Vec<ServiceName>>,
    /// Always present in a consumer.
    pub store: Option<Store>,
    /// The queue to which it publishes its own greeting.
    pub publishes: Option<QueueName>,
    /// The queue whose messages it stores.
    pub consumes: Option<QueueName>,
    /// What it does when an upstream fails.
    pub policy: Policy,
    /// The number of its processes, from 1.
    #[serde(skip_serializing_if = "is_one")]
    pub replicas: u32,
    /// Its behaviour beside its place in the graph.
    #[serde(flatten)]
    pub behaviour: Behaviour,
}

fn is_one_step(steps: &[Vec<ServiceName>]) -> bool {
    steps.len() < 2
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference to the field")]
fn is_one(replicas: &u32) -> bool {
    *replicas == 1
}

/// A graph of services that satisfies every rule of this crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// A copy of one of `services`, so that its accessor cannot fail.
    entry: Service,
    services: Vec<Service>,
    conditions: Conditions,
}

/// What a topology says beside its graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    pub(crate) seed: Option<Seed>,
    pub(crate) edges: Vec<EdgeRule>,
    pub(crate) faults: Vec<Fault>,
}

impl Topology {
    /// For validation alone, which has checked that `entry` is one of `services`, and `conditions` with both.
    pub(crate) fn new(entry: Service, services: Vec<Service>, conditions: Conditions) -> Self {
        Self { entry, services, conditions }
    }

    /// The seed of every draw; `None` for a random one.
    pub fn seed(&self) -> Option<Seed> {
        self.conditions.seed
    }

    /// The `[[edge]]` tables, in declared order.
    pub fn edge_rules(&self) -> &[EdgeRule] {
        &self.conditions.edges
    }

    /// The `[[fault]]` tables, in declared order.
    pub fn faults(&self) -> &[Fault] {
        &self.conditions.faults
    }

    /// How `caller` calls `callee`: the default where no `[[edge]]` is about them. The caller can be the gateway.
    pub fn edge(&self, caller: &str, callee: &str) -> EdgeSettings {
        resolve(&self.conditions.edges, caller, callee)
    }

    /// The number of the services' processes.
    pub fn replicas(&self) -> u32 {
        self.services.iter().map(|service| service.replicas).sum()
    }

    /// Whether something in it is drawn or misbehaves, so that its seed matters.
    pub fn has_draws(&self) -> bool {
        let draws = |service: &Service| {
            let Behaviour { work, cpu, memory, payload, .. } = &service.behaviour;
            work.is_some() || cpu.is_some() || memory.is_some() || payload.is_some()
        };
        !self.faults().is_empty()
            || self.services.iter().any(draws)
            || self.edge_rules().iter().any(|rule| rule.share.is_some() || rule.payload.is_some())
    }

    /// The service that the gateway calls.
    pub fn entry(&self) -> &Service {
        &self.entry
    }

    /// All services, in declared order.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The service of this name.
    pub fn service(&self, name: &ServiceName) -> Option<&Service> {
        self.services.iter().find(|service| service.name == *name)
    }

    /// All calls, as (caller, upstream), in declared order.
    pub fn edges(&self) -> impl Iterator<Item = (&ServiceName, &ServiceName)> {
        self.services
            .iter()
            .flat_map(|service| service.calls.iter().map(move |upstream| (&service.name, upstream)))
    }

    /// All calls, that of the gateway first, by the names of both sides.
    pub fn calls(&self) -> impl Iterator<Item = (&str, &str)> {
        let edges = self.edges().map(|(caller, callee)| (caller.as_str(), callee.as_str()));
        std::iter::once((GATEWAY, self.entry.name.as_str())).chain(edges)
    }

    /// The services that nobody calls, neither the gateway nor a service, and that consume no queue: without direct calls they
    /// do nothing.
    pub fn uncalled(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(|service| {
            let is_called = self.edges().any(|(_, upstream)| *upstream == service.name);
            !is_called && service.consumes.is_none() && service.name != self.entry.name
        })
    }

    /// The services whose greetings the entry's answer contains, depth first in declared order.
    ///
    /// A service that is reached along two paths, or called twice, greets twice. Calls with a share below 100 % are in it.
    /// At most [`MAX_GREETINGS`](crate::MAX_GREETINGS) long.
    pub fn greeting_order(&self) -> Vec<&ServiceName> {
        let mut order = Vec::new();
        self.append_answer(&self.entry, &mut order);
        order
    }

    /// Recurses as deep as the graph, which has no cycle and at most [`MAX_SERVICES`](crate::MAX_SERVICES) services.
    fn append_answer<'a>(&'a self, service: &'a Service, order: &mut Vec<&'a ServiceName>) {
        order.push(&service.name);
        for upstream in service.calls.iter().filter_map(|name| self.service(name)) {
            for _ in 0..self.edge(service.name.as_str(), upstream.name.as_str()).times {
                self.append_answer(upstream, order);
            }
        }
    }
}
