//! The processes to run, each with its arguments, environment and addresses.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use octet_collector::CollectorSettings;
use octet_gateway::GatewaySettings;
use octet_greeting::ServiceSettings;
use octet_runtime::{
    drain::DrainSettings,
    environment::{Environment, Lookup},
    faults::draw_seed,
    lifeline,
    process::RESTARTS,
};
use octet_topology::{Service, Topology};

use super::{data_directory::DataDirectory, notes, ports::Ports, replicas};
use crate::failure::Failure;

/// Variables that a user's environment cannot set for `octet up`: each process has its own value.
pub const SET_FOR_EACH_PROCESS: [&str; 10] = [
    "ADMIN_PORT",
    "GREETING",
    lifeline::VARIABLE,
    OTLP_GRPC_PORT,
    OTLP_HTTP_PORT,
    RESTARTS,
    "OTEL_SERVICE_NAME",
    "PORT",
    REPLICA,
    "SERVICE_NAME",
];

/// The number of a replica, by which faults address it.
const REPLICA: &str = "REPLICA";

/// The collector's further ports.
const OTLP_GRPC_PORT: &str = "OTLP_GRPC_PORT";
const OTLP_HTTP_PORT: &str = "OTLP_HTTP_PORT";

/// Variables that belong to one process and are not passed to all.
const OF_ONE_PROCESS: [&str; 3] = ["SERVICE_NAME", "GREETING", REPLICA];

/// Every process of a platform.
pub struct Plan {
    /// The collector first, since all others report to it; the gateway last.
    pub processes: Vec<ProcessPlan>,
    /// The URL scheme of the gateway.
    pub scheme: &'static str,
    /// What the user should know about this configuration.
    pub notes: Vec<String>,
}

/// One process.
#[derive(Debug, Clone)]
pub struct ProcessPlan {
    /// Unique: the service's name, with its number where it has replicas (`stock#2`); `gateway` or `collector`.
    pub name: String,
    /// What it runs: the service, `gateway` or `collector`.
    pub program: String,
    /// Its number among the replicas of its service, from 1; `None` where it is the only one.
    pub replica: Option<u32>,
    /// The arguments to this program.
    pub arguments: Vec<String>,
    /// Variables set in addition to those it inherits.
    pub set: BTreeMap<String, String>,
    /// Variables that it does not inherit.
    pub unset: Vec<String>,
    /// The address of its server.
    pub address: SocketAddr,
    /// The address of its admin server.
    pub admin: SocketAddr,
    /// The collector's addresses for OTLP, with what they are for.
    pub otlp: Vec<(SocketAddr, &'static str)>,
    /// How long it may take to drain before it is killed: longer than its own grace periods.
    pub patience: Duration,
}

impl Plan {
    /// Plans the processes of `topology` on `ports`, and parses the environment of each as the process itself does.
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
        let mut shared = shared_environment(topology_file, data, ports, inherited);
        let mut notes = notes::of_topology(topology);
        if topology.seed().is_none() && !is_set(inherited, SEED) {
            let seed = draw_seed();
            shared.insert(SEED.to_owned(), seed.to_string());
            if topology.has_draws() {
                notes.push(format!(
                    "the seed of this run is {seed}: `seed = {seed}` in the topology repeats it"
                ));
            }
        }
        let replicas = replicas::planned(topology, ports)?;
        // The user's environment may set the URL of an upstream: a stub, another host.
        let url = |service: &Service| {
            let variable = format!("{}_URL", service.name.env_prefix());
            if is_set(inherited, &variable) {
                return None;
            }
            let own = replicas.iter().filter(|replica| replica.service.name == service.name);
            let addresses: Vec<_> = own.map(|replica| replica.address.to_string()).collect();
            Some((variable, addresses.join(",")))
        };

        let services = replicas.iter().map(|replica| {
            let service = replica.service;
            let upstreams = service.calls.iter().filter_map(|name| topology.service(name)).filter_map(url);
            let number = (REPLICA.to_owned(), replica.number.unwrap_or(1).to_string());
            let mut process = ProcessPlan::new(
                service.name.as_str(),
                &["service", service.name.as_str()],
                (replica.address, replica.admin),
                shared.clone().into_iter().chain(upstreams).chain([number]),
            );
            process.name = replica.name();
            process.replica = replica.number;
            process
        });
        let services: Vec<_> = services.collect();
        let otlp = [(OTLP_GRPC_PORT, ports.otlp_grpc()), (OTLP_HTTP_PORT, ports.otlp_http())];
        let otlp = otlp.map(|(name, address)| (name.to_owned(), address.to_string()));
        let mut collector = ProcessPlan::new(
            COLLECTOR,
            &[COLLECTOR],
            (ports.collector(), ports.collector_admin()),
            shared.clone().into_iter().chain(otlp),
        );
        collector.otlp = vec![(ports.otlp_grpc(), "OTLP over gRPC"), (ports.otlp_http(), "OTLP over HTTP")];
        let traces = (!is_set(inherited, TRACE_QUERY_URL))
            .then(|| (TRACE_QUERY_URL.to_owned(), format!("http://{}", ports.collector())));
        let admins = (!is_set(inherited, ADMIN_ADDRESSES)).then(|| {
            let services = replicas.iter().map(|replica| (replica.name(), replica.admin));
            let others = [("gateway", ports.gateway_admin()), (COLLECTOR, ports.collector_admin())];
            let others = others.map(|(name, address)| (name.to_owned(), address));
            let all = services.chain(others).map(|(name, address)| format!("{name}={address}"));
            (ADMIN_ADDRESSES.to_owned(), all.collect::<Vec<_>>().join(","))
        });
        // All processes are on the user's own host: nobody else's server gets the load.
        let loads = (!is_set(inherited, LOAD_RUNS)).then(|| (LOAD_RUNS.to_owned(), "on".to_owned()));
        // Scenarios audit the embedded stores and queues; those of the user may have passwords.
        let is_embedded = ["STORE_URL", "QUEUE_URL"].iter().all(|name| shared.contains_key(*name));
        let scenarios = (is_embedded && !is_set(inherited, SCENARIO_DATA))
            .then(|| (SCENARIO_DATA.to_owned(), data.display().to_string()));
        let gateway = ProcessPlan::new(
            "gateway",
            &["gateway"],
            (ports.gateway(), ports.gateway_admin()),
            shared
                .clone()
                .into_iter()
                .chain(url(topology.entry()))
                .chain(traces)
                .chain(admins)
                .chain(loads)
                .chain(scenarios),
        );
        let processes = std::iter::once(collector).chain(services).chain([gateway]).collect();
        notes.extend(notes::of_traces(inherited, &format!("http://{}/", ports.collector())));
        let mut plan = Self { processes, scheme: "http", notes };
        plan.read_environments(topology, inherited)?;
        for process in &mut plan.processes {
            let overlay = Overlay { process, inherited };
            let drain = DrainSettings::from_environment(&mut Environment::new(&overlay));
            // One grace period for calls, one for messages, and 5 s for the rest.
            process.patience = drain.pause + 2 * drain.grace + Duration::from_secs(5);
        }
        Ok(plan)
    }

    /// The gateway's URL for a browser on this host.
    pub fn gateway_url(&self) -> String {
        let gateway = self.processes.iter().find(|process| process.name == "gateway");
        let port = gateway.map_or(0, |gateway| gateway.address.port());
        format!("{}://localhost:{port}", self.scheme)
    }

    /// The name and log file of each process.
    pub fn logs(&self, data: &DataDirectory) -> Vec<(String, PathBuf)> {
        self.processes.iter().map(|process| (process.name.clone(), data.log(&process.name))).collect()
    }

    /// Parses the environment of each process as the process itself does. Most faults are common to all processes; each is
    /// reported once.
    fn read_environments(&mut self, topology: &Topology, inherited: &dyn Lookup) -> Result<(), Failure> {
        let mut faults = Vec::new();
        for process in &self.processes {
            let overlay = Overlay { process, inherited };
            let mut environment = Environment::new(&overlay);
            match process.program.as_str() {
                "gateway" => {
                    let settings = GatewaySettings::from_environment(&mut environment, topology.clone());
                    self.scheme = settings.map_or(self.scheme, |settings| settings.scheme());
                }
                COLLECTOR => {
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
    /// Whether the other processes report their spans to this one, so that it must end after them.
    pub fn receives_spans(&self) -> bool {
        self.name == COLLECTOR
    }

    fn new(
        name: &str,
        arguments: &[&str],
        (address, admin): (SocketAddr, SocketAddr),
        environment: impl Iterator<Item = (String, String)>,
    ) -> Self {
        let mut set: BTreeMap<String, String> = environment.collect();
        // Always set, so that it overrides `service.name` in OTEL_RESOURCE_ATTRIBUTES. One name for all processes would
        // make the mesh a single node in traces.
        set.insert("OTEL_SERVICE_NAME".to_owned(), name.to_owned());
        set.insert("PORT".to_owned(), address.to_string());
        set.insert("ADMIN_PORT".to_owned(), admin.to_string());
        Self {
            name: name.to_owned(),
            program: name.to_owned(),
            replica: None,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            set,
            unset: OF_ONE_PROCESS.map(str::to_owned).to_vec(),
            address,
            admin,
            otlp: Vec::new(),
            patience: Duration::ZERO,
        }
    }
}

const COLLECTOR: &str = "collector";

/// The admin servers that the gateway reads for the page.
const ADMIN_ADDRESSES: &str = "ADMIN_ADDRESSES";

/// The URL from which the gateway reads traces.
pub(super) const TRACE_QUERY_URL: &str = "TRACE_QUERY_URL";

/// The seed that all processes share.
const SEED: &str = "SEED";

/// Whether the gateway starts the page's loads.
const LOAD_RUNS: &str = "LOAD_RUNS";

/// Where the page's scenarios find stores and queues, and leave their reports.
const SCENARIO_DATA: &str = "SCENARIO_DATA";

/// The variables of every process. Stores, queues and exporters that the user's environment sets are kept.
fn shared_environment(
    topology_file: Option<&Path>,
    data: &Path,
    ports: &Ports,
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
        (&["OTEL_EXPORTER_ZIPKIN_ENDPOINT"], format!("http://{}/api/v2/spans", ports.collector())),
        // For either protocol: the collector's ports serve both.
        (&["OTEL_EXPORTER_OTLP_ENDPOINT"], format!("http://{}", ports.otlp_http())),
        // Everybody on this host may ask for faults of their own requests.
        (&["FAULT_HEADERS", "FAULT_KEY", "FAULT_KEY_FILE"], "local".to_owned()),
        // There is no load balancer here that must notice the drain.
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

/// Whether the user's environment sets `name`: a blank value counts as unset, as everywhere.
pub(super) fn is_set(inherited: &dyn Lookup, name: &str) -> bool {
    inherited.get(name).is_some_and(|value| !value.to_string_lossy().trim().is_empty())
}

/// The environment that a child process will have.
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
    fn each_process_gets_the_urls_of_its_own_upstreams() {
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
    fn each_replica_is_a_process_that_its_callers_know() {
        let text = r#"
            entry = "edge"
            [[service]]
            name = "edge"
            replicas = 2
            calls = ["stock"]
            [[service]]
            name = "stock"
            replicas = 3
        "#;
        let topology = Topology::parse(text, "test").unwrap();
        let ports = |base| {
            Plan::new(
                &topology,
                None,
                &Ports::block(base),
                Path::new("/data"),
                &BTreeMap::<String, String>::new(),
            )
        };
        let plan = ports(20_000).unwrap_or_else(|failure| panic!("{failure}"));
        let names: Vec<_> = plan.processes.iter().map(|process| process.name.as_str()).collect();
        assert_eq!(names, ["collector", "edge#1", "edge#2", "stock#1", "stock#2", "stock#3", "gateway"]);
        let set = |name: &str, variable: &str| {
            plan.processes.iter().find(|process| process.name == name).unwrap().set[variable].clone()
        };
        assert_eq!(set("gateway", "EDGE_URL"), "127.0.0.1:20010,127.0.0.1:20160");
        for caller in ["edge#1", "edge#2"] {
            assert_eq!(set(caller, "STOCK_URL"), "127.0.0.1:20011,127.0.0.1:20161,127.0.0.1:20162");
        }
        assert_eq!(set("stock#3", REPLICA), "3");
        assert_eq!(set("stock#3", "OTEL_SERVICE_NAME"), "stock");
        assert!(set("gateway", ADMIN_ADDRESSES).contains("stock#3=127.0.0.1:20290"));
        let refused = ports(65_300).err().unwrap().to_string();
        assert!(refused.starts_with("--base-port: "), "{refused}");
    }

    #[test]
    fn the_gateway_knows_the_admin_server_of_every_process() {
        let plan = plan(&[]).unwrap();
        for process in &plan.processes {
            let addresses = process.set.get(ADMIN_ADDRESSES);
            assert_eq!(addresses.is_some(), process.name == "gateway", "{}", process.name);
        }
        let gateway = plan.processes.iter().find(|process| process.name == "gateway").unwrap();
        let addresses: Vec<_> = gateway.set[ADMIN_ADDRESSES].split(',').collect();
        assert_eq!(addresses.len(), plan.processes.len());
        for process in &plan.processes {
            assert!(
                addresses.contains(&format!("{}={}", process.name, process.admin).as_str()),
                "{addresses:?}"
            );
        }
    }

    #[test]
    fn a_store_url_of_the_user_is_kept() {
        let plan = plan(&[("STORE_URL", "sqlite:/elsewhere")]).unwrap();
        assert!(plan.processes.iter().all(|process| !process.set.contains_key("STORE_URL")));
        assert!(plan.processes.iter().all(|process| process.set["QUEUE_URL"] == "sqlite:/data/queue"));
    }

    #[test]
    fn spans_go_to_the_collector_unless_the_user_sets_an_exporter() {
        let value = |inherited: &[(&str, &str)], name: &str, variable: &str| {
            let plan = plan(inherited).unwrap();
            let process = plan.processes.into_iter().find(|process| process.name == name).unwrap();
            process.set.get(variable).cloned()
        };
        let endpoint = "OTEL_EXPORTER_ZIPKIN_ENDPOINT";
        assert_eq!(value(&[], "service-c", endpoint).as_deref(), Some("http://127.0.0.1:20002/api/v2/spans"));
        assert_eq!(value(&[], "gateway", "OTEL_TRACES_EXPORTER").as_deref(), Some("zipkin"));
        assert_eq!(value(&[], "gateway", TRACE_QUERY_URL).as_deref(), Some("http://127.0.0.1:20002"));
        let elsewhere =
            [(endpoint, "http://zipkin:9411/api/v2/spans"), (TRACE_QUERY_URL, "http://zipkin:9411")];
        assert_eq!(value(&elsewhere, "service-c", endpoint), None);
        assert_eq!(value(&elsewhere, "gateway", TRACE_QUERY_URL), None);
        assert_eq!(value(&[("OTEL_TRACES_EXPORTER", "none")], "gateway", "OTEL_TRACES_EXPORTER"), None);
    }

    #[test]
    fn each_process_reports_spans_under_its_own_name_even_if_the_user_sets_one() {
        let plan = plan(&[("OTEL_SERVICE_NAME", "mine")]).unwrap();
        for process in &plan.processes {
            assert_eq!(process.set["OTEL_SERVICE_NAME"], process.program);
        }
    }

    #[test]
    fn servers_of_the_user_replace_the_embedded_store_and_queue() {
        let plan = plan(&[("MONGO_CONN", "mongodb://db"), ("RABBITMQ_CONN", "amqp://mq")]).unwrap();
        let embedded = ["STORE_URL", "QUEUE_URL"];
        assert!(
            plan.processes.iter().all(|process| embedded.iter().all(|name| !process.set.contains_key(*name)))
        );
    }

    #[test]
    fn an_upstream_url_of_the_user_is_kept() {
        let plan = plan(&[("SERVICE_G_URL", "127.0.0.1:7")]).unwrap();
        assert!(plan.processes.iter().all(|process| !process.set.contains_key("SERVICE_G_URL")));
    }

    #[test]
    fn a_fault_common_to_all_processes_is_reported_once() {
        let faults = plan(&[("LOG_LEVEL", "loud"), ("CONNECT_WAIT", "soon")]).err().expect("two faults");
        assert_eq!(faults.lines().count(), 2, "{faults}");
    }
}
