//! What will run: each process with its arguments, its environment and its addresses.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use octet_collector::CollectorSettings;
use octet_gateway::GatewaySettings;
use octet_greeting::ServiceSettings;
use octet_runtime::{
    drain::DrainSettings,
    environment::{Environment, Lookup},
    lifeline,
};
use octet_topology::{Service, Topology};

use super::{data_directory::DataDirectory, ports::Ports};
use crate::failure::Failure;

/// Variables that speak of one process, and so cannot be handed to all.
const OF_ONE_PROCESS: [&str; 2] = ["SERVICE_NAME", "GREETING"];

/// Every process of a platform.
pub struct Plan {
    /// The collector first, for all others report to it; the gateway last: it is the first that a user asks.
    pub processes: Vec<ProcessPlan>,
    /// What the gateway's addresses begin with.
    pub scheme: &'static str,
}

/// One process.
#[derive(Debug, Clone)]
pub struct ProcessPlan {
    /// The service's name, `gateway` or `collector`.
    pub name: String,
    /// The arguments to this program.
    pub arguments: Vec<String>,
    /// What its environment has beyond what it inherits.
    pub set: BTreeMap<String, String>,
    /// What it does not inherit.
    pub unset: Vec<String>,
    /// Where it serves.
    pub address: SocketAddr,
    /// Where its admin server is.
    pub admin: SocketAddr,
    /// How long it may take to drain: longer than its own grace periods, so that it is the process that decides.
    pub patience: Duration,
}

impl Plan {
    /// Plans the processes of `topology` on `ports`, and parses each one's environment as it will itself.
    ///
    /// # Errors
    /// [`Failure::Configuration`] with every fault.
    pub fn new(
        topology: &Topology,
        topology_file: Option<&Path>,
        ports: &Ports,
        data: &Path,
        inherited: &dyn Lookup,
    ) -> Result<Self, Failure> {
        let shared = shared_environment(topology_file, data, ports.collector(), inherited);
        let indexed = || (0_u16..).zip(topology.services());
        let addresses: BTreeMap<&str, SocketAddr> =
            indexed().map(|(index, service)| (service.name.as_str(), ports.service(index))).collect();
        // An upstream that the user's own environment puts elsewhere stays there: a stand-in, another host.
        let url = |service: &Service| {
            if is_set(inherited, &format!("{}_URL", service.name.env_prefix())) {
                return None;
            }
            let address = addresses.get(service.name.as_str())?;
            Some((format!("{}_URL", service.name.env_prefix()), address.to_string()))
        };

        let services = indexed().map(|(index, service)| {
            let upstreams = service.calls.iter().filter_map(|name| topology.service(name)).filter_map(url);
            ProcessPlan::new(
                service.name.as_str(),
                &["service", service.name.as_str()],
                (ports.service(index), ports.service_admin(index)),
                shared.clone().into_iter().chain(upstreams),
            )
        });
        let collector = ProcessPlan::new(
            "collector",
            &["collector"],
            (ports.collector(), ports.collector_admin()),
            shared.clone().into_iter(),
        );
        let traces = (!is_set(inherited, TRACE_QUERY_URL))
            .then(|| (TRACE_QUERY_URL.to_owned(), format!("http://{}", ports.collector())));
        let gateway = ProcessPlan::new(
            "gateway",
            &["gateway"],
            (ports.gateway(), ports.gateway_admin()),
            shared.clone().into_iter().chain(url(topology.entry())).chain(traces),
        );
        let processes = std::iter::once(collector).chain(services).chain([gateway]).collect();
        let mut plan = Self { processes, scheme: "http" };
        plan.read_environments(topology, inherited)?;
        for process in &mut plan.processes {
            let overlay = Overlay { process, inherited };
            let drain = DrainSettings::from_environment(&mut Environment::new(&overlay));
            // One grace period for calls, one for messages, and a little for the rest.
            process.patience = drain.pause + 2 * drain.grace + Duration::from_secs(5);
        }
        Ok(plan)
    }

    /// Refuses ports that something else holds, each with what wanted it.
    ///
    /// # Errors
    /// [`Failure::Failed`] with every port that is taken.
    pub fn check_ports(&self) -> Result<(), Failure> {
        let mut taken = Vec::new();
        for process in &self.processes {
            for (address, what) in [(process.address, ""), (process.admin, "'s admin server")] {
                if let Err(error) = TcpListener::bind(address) {
                    taken.push(format!("{address}, wanted by {}{what}: {error}", process.name));
                }
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        taken.push("end what holds them, or move all ports with --base-port".to_owned());
        Err(Failure::Failed(anyhow::Error::msg(taken.join("\n"))))
    }

    /// Each process's name and log file.
    pub fn logs(&self, data: &DataDirectory) -> Vec<(String, PathBuf)> {
        self.processes.iter().map(|process| (process.name.clone(), data.log(&process.name))).collect()
    }

    /// Parses each process's environment as it will itself, and keeps what the table tells of it. One process's fault is
    /// usually every one's: each is told once.
    fn read_environments(&mut self, topology: &Topology, inherited: &dyn Lookup) -> Result<(), Failure> {
        let mut faults = Vec::new();
        for process in &self.processes {
            let overlay = Overlay { process, inherited };
            let mut environment = Environment::new(&overlay);
            match process.name.as_str() {
                "gateway" => {
                    let settings = GatewaySettings::from_environment(&mut environment, topology.clone());
                    self.scheme = settings.map_or(self.scheme, |settings| settings.scheme());
                }
                "collector" => {
                    CollectorSettings::from_environment(&mut environment);
                }
                service => {
                    ServiceSettings::from_environment(&mut environment, topology.clone(), Some(service));
                }
            }
            for fault in
                environment.finish(()).err().iter().flat_map(octet_runtime::environment::Faults::iter)
            {
                let fault = fault.to_string();
                if !faults.contains(&fault) {
                    faults.push(fault);
                }
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::Configuration(faults.join("\n"))) }
    }
}

impl ProcessPlan {
    fn new(
        name: &str,
        arguments: &[&str],
        (address, admin): (SocketAddr, SocketAddr),
        environment: impl Iterator<Item = (String, String)>,
    ) -> Self {
        let mut set: BTreeMap<String, String> = environment.collect();
        // Told rather than left out: so it also stands before a `service.name` in OTEL_RESOURCE_ATTRIBUTES. One name for
        // all would make one node of the mesh.
        set.insert("OTEL_SERVICE_NAME".to_owned(), name.to_owned());
        set.insert("PORT".to_owned(), address.to_string());
        set.insert("ADMIN_PORT".to_owned(), admin.to_string());
        Self {
            name: name.to_owned(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            set,
            unset: OF_ONE_PROCESS.map(str::to_owned).to_vec(),
            address,
            admin,
            patience: Duration::ZERO,
        }
    }
}

/// Where the gateway reads traces.
const TRACE_QUERY_URL: &str = "TRACE_QUERY_URL";

/// What every process is told. A place for data that the user's own environment names stays as it is.
fn shared_environment(
    topology_file: Option<&Path>,
    data: &Path,
    collector: SocketAddr,
    inherited: &dyn Lookup,
) -> BTreeMap<String, String> {
    let mut shared = BTreeMap::from([(lifeline::VARIABLE.to_owned(), "stdin".to_owned())]);
    let defaults = [
        (
            &["STORE_URL", "MONGO_CONN", "MONGO_CONN_FILE"][..],
            format!("sqlite:{}", data.join("store").display()),
        ),
        (
            &["QUEUE_URL", "RABBITMQ_CONN", "RABBITMQ_CONN_FILE"],
            format!("sqlite:{}", data.join("queue").display()),
        ),
        (&["OTEL_TRACES_EXPORTER"], "zipkin".to_owned()),
        (&["OTEL_EXPORTER_ZIPKIN_ENDPOINT"], format!("http://{collector}/api/v2/spans")),
        // Nobody balances load here, so callers need little time to look elsewhere.
        (&["DRAIN_PAUSE"], "50ms".to_owned()),
    ];
    for (names, default) in defaults {
        if let [name, ..] = names
            && !names.iter().any(|name| is_set(inherited, name))
        {
            shared.insert((*name).to_owned(), default);
        }
    }
    if let Some(file) = topology_file {
        shared.insert("TOPOLOGY".to_owned(), file.display().to_string());
    }
    shared
}

/// Whether the user's own environment says something: a blank value counts as unset here, as everywhere.
fn is_set(inherited: &dyn Lookup, name: &str) -> bool {
    inherited.get(name).is_some_and(|value| !value.to_string_lossy().trim().is_empty())
}

/// A child's environment, as it will see it.
struct Overlay<'a> {
    process: &'a ProcessPlan,
    inherited: &'a dyn Lookup,
}

impl Lookup for Overlay<'_> {
    fn get(&self, name: &str) -> Option<OsString> {
        if let Some(value) = self.process.set.get(name) {
            return Some(value.into());
        }
        if self.process.unset.iter().any(|unset| unset == name) {
            return None;
        }
        self.inherited.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(inherited: &[(&str, &str)]) -> Result<Plan, String> {
        let inherited: BTreeMap<String, String> =
            inherited.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let topology = Topology::built_in().unwrap();
        Plan::new(&topology, None, &Ports::block(20_000), Path::new("/data"), &inherited)
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn each_process_is_told_where_its_own_upstreams_are() {
        let plan = plan(&[]).unwrap();
        let urls = |name: &str| -> Vec<String> {
            let process = plan.processes.iter().find(|process| process.name == name).unwrap();
            let urls = process.set.iter().filter(|(key, _)| key.starts_with("SERVICE_"));
            urls.map(|(key, value)| format!("{key}={value}")).collect()
        };
        assert_eq!(urls("gateway"), ["SERVICE_A_URL=127.0.0.1:20010"]);
        assert_eq!(urls("service-a"), ["SERVICE_B_URL=127.0.0.1:20011", "SERVICE_C_URL=127.0.0.1:20012"]);
        assert_eq!(urls("service-f"), [""; 0]);
    }

    #[test]
    fn a_place_for_data_that_the_user_named_is_kept() {
        let plan = plan(&[("STORE_URL", "sqlite:/elsewhere")]).unwrap();
        assert!(plan.processes.iter().all(|process| !process.set.contains_key("STORE_URL")));
        assert!(plan.processes.iter().all(|process| process.set["QUEUE_URL"] == "sqlite:/data/queue"));
    }

    #[test]
    fn spans_go_to_the_collector_unless_the_user_sends_them_elsewhere() {
        let told = |inherited: &[(&str, &str)], name: &str, variable: &str| {
            let plan = plan(inherited).unwrap();
            let process = plan.processes.into_iter().find(|process| process.name == name).unwrap();
            process.set.get(variable).cloned()
        };
        let endpoint = "OTEL_EXPORTER_ZIPKIN_ENDPOINT";
        assert_eq!(told(&[], "service-c", endpoint).as_deref(), Some("http://127.0.0.1:20002/api/v2/spans"));
        assert_eq!(told(&[], "gateway", "OTEL_TRACES_EXPORTER").as_deref(), Some("zipkin"));
        assert_eq!(told(&[], "gateway", TRACE_QUERY_URL).as_deref(), Some("http://127.0.0.1:20002"));
        let elsewhere =
            [(endpoint, "http://zipkin:9411/api/v2/spans"), (TRACE_QUERY_URL, "http://zipkin:9411")];
        assert_eq!(told(&elsewhere, "service-c", endpoint), None);
        assert_eq!(told(&elsewhere, "gateway", TRACE_QUERY_URL), None);
        assert_eq!(told(&[("OTEL_TRACES_EXPORTER", "none")], "gateway", "OTEL_TRACES_EXPORTER"), None);
    }

    #[test]
    fn each_process_reports_spans_under_its_own_name_whatever_the_users_shell_says() {
        let plan = plan(&[("OTEL_SERVICE_NAME", "mine")]).unwrap();
        for process in &plan.processes {
            assert_eq!(process.set["OTEL_SERVICE_NAME"], process.name);
        }
    }

    #[test]
    fn a_server_that_the_user_named_is_not_given_an_embedded_rival() {
        let plan = plan(&[("MONGO_CONN", "mongodb://db"), ("RABBITMQ_CONN", "amqp://mq")]).unwrap();
        let rivals = ["STORE_URL", "QUEUE_URL"];
        assert!(
            plan.processes.iter().all(|process| rivals.iter().all(|name| !process.set.contains_key(*name)))
        );
    }

    #[test]
    fn an_upstream_that_the_user_put_elsewhere_stays_there() {
        let plan = plan(&[("SERVICE_G_URL", "127.0.0.1:7")]).unwrap();
        assert!(plan.processes.iter().all(|process| !process.set.contains_key("SERVICE_G_URL")));
    }

    #[test]
    fn a_fault_that_every_process_has_is_told_once() {
        let faults = plan(&[("LOG_LEVEL", "loud"), ("CONNECT_WAIT", "soon")]).err().expect("two faults");
        assert_eq!(faults.lines().count(), 2, "{faults}");
    }

    #[test]
    fn taken_ports_are_named_with_what_wanted_them() {
        let plan = plan(&[]).unwrap();
        let holders: Vec<_> = ["127.0.0.1:20012", "127.0.0.1:20001"]
            .iter()
            .filter_map(|address| TcpListener::bind(address).ok())
            .collect();
        let faults = plan.check_ports().expect_err("taken").to_string();
        drop(holders);
        assert!(faults.contains("127.0.0.1:20012, wanted by service-c"), "{faults}");
        assert!(faults.contains("127.0.0.1:20001, wanted by gateway's admin server"), "{faults}");
    }
}
