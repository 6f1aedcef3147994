//! The graph that answers are checked against: the topology, with the overrides of the environment.

use std::collections::HashMap;

use octet_runtime::environment::Environment;
use octet_topology::{Policy, QueueName, Service, Store, Topology};

const QUEUE_NAME: &str = "QUEUE_NAME";
const FAILURE_POLICY: &str = "FAILURE_POLICY";

/// Variables of the services that override the topology.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `QUEUE_NAME`: every queue has this name.
    pub queue: Option<QueueName>,
    /// `FAILURE_POLICY`: every service has this policy.
    pub policy: Option<Policy>,
}

impl Overrides {
    /// The variables that are read.
    pub const VARIABLES: [&str; 2] = [QUEUE_NAME, FAILURE_POLICY];

    /// Reads the same variables as the services.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        let queue = environment.optional(
            QUEUE_NAME,
            "a queue's name: letters, digits, '.', '-' and '_'",
            str::parse::<QueueName>,
        );
        Self { queue, policy: environment.optional(FAILURE_POLICY, "strict or partial", str::parse) }
    }

    /// These, and those of `others` that are not set here.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self { queue: self.queue.or(others.queue), policy: self.policy.or(others.policy) }
    }
}

/// Where a document or message must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    /// In the store of this service.
    Store(usize),
    /// On this queue or, if it has consumers, in the store of one of them.
    Queue(usize),
}

/// Services by their index in the topology, and the queues between them.
pub(super) struct Graph {
    nodes: Vec<Node>,
    queues: Vec<Queue>,
    by_name: HashMap<String, usize>,
}

/// A service as the audit sees it.
pub(super) struct Node {
    pub(super) name: String,
    /// The message of its greetings.
    pub(super) greeting: String,
    /// Its calls, in the order of their greetings.
    pub(super) calls: Vec<Call>,
    pub(super) policy: Policy,
    pub(super) store: Option<Store>,
    /// The queue that it publishes to.
    pub(super) publishes: Option<usize>,
}

/// A call of an upstream.
pub(super) struct Call {
    /// The upstream.
    pub(super) callee: usize,
    /// Whether it is made in a share of requests only.
    pub(super) is_drawn: bool,
}

/// A queue that a service publishes to.
pub(super) struct Queue {
    pub(super) name: QueueName,
    /// The services that consume it; may be empty.
    pub(super) consumers: Vec<usize>,
}

/// Each upstream as often as it is called.
fn calls(topology: &Topology, service: &Service, by_name: &HashMap<String, usize>) -> Vec<Call> {
    let mut calls = Vec::new();
    for name in &service.calls {
        let Some(callee) = by_name.get(name.as_str()).copied() else { continue };
        let edge = topology.edge(service.name.as_str(), name.as_str());
        calls.extend((0..edge.times).map(|_| Call { callee, is_drawn: !edge.share.is_whole() }));
    }
    calls
}

impl Graph {
    pub(super) fn new(topology: &Topology, overrides: &Overrides) -> Self {
        let services = topology.services();
        let by_name: HashMap<String, usize> =
            services.iter().enumerate().map(|(index, service)| (service.name.to_string(), index)).collect();
        let actual = |declared: &QueueName| overrides.queue.as_ref().unwrap_or(declared).clone();

        let mut queues: Vec<Queue> = Vec::new();
        for name in services.iter().filter_map(|service| service.publishes.as_ref()).map(actual) {
            if queues.iter().all(|queue| queue.name != name) {
                let consumes =
                    |service: &Service| service.consumes.as_ref().map(actual).as_ref() == Some(&name);
                let consumers = (0..).zip(services).filter(|(_, service)| consumes(service));
                let consumers = consumers.map(|(index, _)| index).collect();
                queues.push(Queue { name, consumers });
            }
        }
        let nodes = services.iter().map(|service| Node {
            name: service.name.to_string(),
            greeting: service.greeting.to_string(),
            calls: calls(topology, service, &by_name),
            policy: overrides.policy.unwrap_or(service.policy),
            store: service.store.clone(),
            publishes: service
                .publishes
                .as_ref()
                .map(actual)
                .and_then(|name| queues.iter().position(|queue| queue.name == name)),
        });
        Self { nodes: nodes.collect(), queues, by_name }
    }

    pub(super) fn service(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(super) fn node(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(super) fn queues(&self) -> &[Queue] {
        &self.queues
    }

    /// The services that should have stored what must be at `place`; for a queue without a consumer, the queue.
    pub(super) fn owner(&self, place: Place) -> String {
        match place {
            Place::Store(service) => self.name(service).to_owned(),
            Place::Queue(queue) => match self.queues.get(queue) {
                Some(Queue { name, consumers }) if consumers.is_empty() => name.to_string(),
                Some(Queue { consumers, .. }) => {
                    consumers.iter().map(|consumer| self.name(*consumer)).collect::<Vec<_>>().join("|")
                }
                None => "?".to_owned(),
            },
        }
    }

    /// The name of the store or queue.
    pub(super) fn location(&self, place: Place) -> String {
        let name = match place {
            Place::Store(service) => {
                self.node(service).and_then(|node| node.store.as_ref()).map(ToString::to_string)
            }
            Place::Queue(queue) => self.queues.get(queue).map(|queue| queue.name.to_string()),
        };
        name.unwrap_or_default()
    }

    /// The name of the service at `index`.
    pub(super) fn name(&self, index: usize) -> &str {
        self.node(index).map_or("?", |node| &node.name)
    }
}
