//! The settings of one service from its environment and its topology, parsed before it binds a port.

use std::sync::Arc;

use octet_fault::Fault;
use octet_runtime::{
    environment::Environment,
    faults::{FaultSettings, Faults, Identity, draw_seed},
    metrics::Metrics,
    process::{Defaults, ProcessSettings},
    upstream::UpstreamAddress,
};
use octet_topology::{GreetingText, QueueName, Service, ServiceName, Topology, suggest};

use crate::connections::Connections;

/// The maximum size of an answer in bytes: gRPC's customary 4 MiB, enough for a thousand greetings.
pub(crate) const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// The maximum size of a request in bytes: it contains one greeting, and a client can send a thousand concurrently.
pub(crate) const MAX_REQUEST: usize = 64 * 1024;

/// More concurrent calls than the gateway admits, so that overload is refused at the edge.
const DEFAULTS: Defaults = Defaults { port: 50051, admin_port: 9001, max_concurrent: 1_000 };

/// The settings of one service.
#[derive(Debug)]
pub struct ServiceSettings {
    /// The service's entry in the topology, with the environment's changes.
    pub service: Service,
    /// The settings that every process has.
    pub process: ProcessSettings,
    pub(crate) topology: Arc<Topology>,
    pub(crate) connections: Connections,
    pub(crate) upstreams: Vec<(ServiceName, UpstreamAddress)>,
    /// The maximum size of a request, with the payload that callers add.
    pub(crate) max_request: usize,
}

impl ServiceSettings {
    /// Reads all of a service's variables. `named` is the name from the command line; without it, `SERVICE_NAME`
    /// applies.
    ///
    /// `topology` is `None` where it is invalid. Returns `None` when the service cannot be determined; the environment
    /// has the fault.
    pub fn from_environment(
        environment: &mut Environment<'_>,
        topology: impl Into<Option<Topology>>,
        named: Option<&str>,
    ) -> Option<Self> {
        let topology = topology.into();
        let mut service = topology.as_ref().and_then(|topology| role(environment, topology, named));
        if let Some(service) = &mut service {
            apply_overrides(environment, service);
        }
        let upstreams = service.iter().flat_map(|service| service.calls.clone()).filter_map(|name| {
            let prefix = name.env_prefix();
            UpstreamAddress::from_environment(environment, name.as_str(), &prefix)
                .map(|address| (name, address))
        });
        let upstreams = upstreams.collect();
        // Even without a service, so that all faults are reported at once.
        let mut process = ProcessSettings::from_environment(environment, DEFAULTS);
        process.faults = FaultSettings::from_environment(environment);
        if let Some(topology) = &topology {
            process.faults.check(environment, |fault| topology.check_fault(fault));
        }
        let connections = Connections::from_environment(environment);
        let (service, topology) = (service?, Arc::new(topology?));
        let max_request = MAX_REQUEST + largest_payload(&topology, &service.name);
        Some(Self { service, process, topology, connections, upstreams, max_request })
    }

    /// The faults of the process.
    pub(crate) fn faults(&self, metrics: &Metrics) -> Result<Faults, prometheus::Error> {
        let settings = &self.process.faults;
        let identity = Identity { service: self.service.name.to_string(), replica: settings.replica };
        let seed = settings.seed.or(self.topology.seed()).unwrap_or_else(draw_seed);
        let topology = self.topology.clone();
        let check = Arc::new(move |fault: &Fault| topology.check_fault(fault));
        Faults::new(settings, identity, (seed, self.topology.faults()), check, metrics)
    }
}

/// The largest payload that a caller adds to its requests, in bytes.
fn largest_payload(topology: &Topology, service: &ServiceName) -> usize {
    let callers = topology.edges().filter(|(_, callee)| *callee == service);
    let payloads = callers.filter_map(|(caller, callee)| {
        let payload = topology.edge(caller.as_str(), callee.as_str()).payload?;
        // The field's own bytes are few.
        usize::try_from(payload.most().get()).ok()
    });
    payloads.max().unwrap_or_default()
}

/// The service's entry in the topology.
fn role(environment: &mut Environment<'_>, topology: &Topology, named: Option<&str>) -> Option<Service> {
    const VARIABLE: &str = "SERVICE_NAME";
    let variable = environment.text(VARIABLE);
    let (source, name) = match (named, variable.as_deref()) {
        (Some(named), Some(other)) if named != other => {
            environment.fault(VARIABLE, format!("{other:?} conflicts with {named:?} on the command line"));
            return None;
        }
        (Some(named), _) => ("service", named),
        (None, Some(named)) => (VARIABLE, named),
        (None, None) => {
            environment.fault(VARIABLE, "must be set when the command line names no service");
            return None;
        }
    };
    let service = topology.services().iter().find(|service| service.name.as_str() == name);
    if service.is_none() {
        let names: Vec<_> = topology.services().iter().map(|service| service.name.as_str()).collect();
        let meant = suggest(name, names.iter().copied()).map(|name| format!("; did you mean {name:?}?"));
        let (names, meant) = (names.join(", "), meant.unwrap_or_default());
        environment
            .fault(source, format!("{name:?} is not in the topology; its services are {names}{meant}"));
    }
    service.cloned()
}

/// Applies `GREETING`, `QUEUE_NAME` and `FAILURE_POLICY`.
fn apply_overrides(environment: &mut Environment<'_>, service: &mut Service) {
    let greeting = environment.optional(
        "GREETING",
        "one line of at most 1,024 bytes that is not blank",
        str::parse::<GreetingText>,
    );
    if let Some(greeting) = greeting {
        service.greeting = greeting;
    }
    let queue = environment.optional(
        "QUEUE_NAME",
        "a queue's name: letters, digits, '.', '-' and '_'",
        str::parse::<QueueName>,
    );
    for name in [&mut service.publishes, &mut service.consumes] {
        if let (Some(queue), Some(name)) = (&queue, name) {
            name.clone_from(queue);
        }
    }
    if let Some(policy) = environment.optional("FAILURE_POLICY", "strict or partial", str::parse) {
        service.policy = policy;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn settings(named: Option<&str>, variables: &[(&str, &str)]) -> Result<ServiceSettings, String> {
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut environment = Environment::new(&variables);
        let topology = Topology::built_in().unwrap();
        let settings = ServiceSettings::from_environment(&mut environment, topology, named);
        environment.finish(settings).map(Option::unwrap).map_err(|faults| faults.to_string())
    }

    #[test]
    fn a_service_calls_the_addresses_of_its_environment_or_the_names_of_its_topology() {
        let settings = settings(Some("service-a"), &[("SERVICE_C_URL", "http://elsewhere:7")]).unwrap();
        let addresses: Vec<_> =
            settings.upstreams.iter().map(|(name, address)| format!("{name} {address}")).collect();
        assert_eq!(addresses, ["service-b service-b:50051", "service-c elsewhere:7"]);
    }

    #[test]
    fn the_environment_overrides_the_topology() {
        let variables = [("SERVICE_NAME", "service-d"), ("GREETING", "Hi"), ("QUEUE_NAME", "other")];
        let service = settings(None, &variables).unwrap().service;
        assert_eq!(service.greeting.as_str(), "Hi");
        assert_eq!(service.publishes.as_ref().map(QueueName::as_str), Some("other"));
        assert_eq!(service.consumes, None);
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let variables = [
            ("PORT", "http"),
            ("LOG_LEVEL", "loud"),
            ("SERVICE_B_URL", "https://b"),
            ("CONNECT_WAIT", "5"),
            ("GREETING", "two\nlines"),
            ("QUEUE_NAME", "a b"),
        ];
        let faults = settings(Some("service-a"), &variables).expect_err("six faults");
        let variables: Vec<_> = faults.lines().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(
            variables,
            ["GREETING", "QUEUE_NAME", "SERVICE_B_URL", "PORT", "LOG_LEVEL", "CONNECT_WAIT"]
        );
    }

    #[test]
    fn an_unknown_service_is_refused_with_the_names_of_the_others() {
        let faults = settings(Some("service-z"), &[("PORT", "x")]).expect_err("two faults");
        assert!(
            faults.starts_with("service: \"service-z\" is not in the topology; its services are service-a,")
        );
        assert!(faults.contains("\nPORT: "));
    }
}
