//! A mesh in this process: every service with its own ports, over real sockets.

use std::{collections::BTreeMap, path::Path, time::Duration};

use octet_greeting::{ServiceSettings, server};
use octet_runtime::{
    drain::{Drain, DrainTrigger},
    environment::Environment,
};
use octet_topology::Service;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::generate::Generated;
use crate::{client::Client, zipkin::Zipkin};

/// A running mesh.
pub struct Running {
    /// `host:port` of the entry.
    pub entry: String,
    processes: Vec<Process>,
    data: TempDir,
}

struct Process {
    admin: String,
    drain: DrainTrigger,
    serving: JoinHandle<()>,
}

/// The variables of stores and queues in a directory.
pub(super) fn stores(data: &Path) -> [(&'static str, String); 2] {
    [("STORE_URL", "store"), ("QUEUE_URL", "queue")]
        .map(|(name, part)| (name, format!("sqlite:{}", data.join(part).display())))
}

impl Running {
    /// Starts upstreams before their callers, so that their addresses are known.
    pub async fn start(generated: &Generated, zipkin: &Zipkin) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let mut addresses: BTreeMap<String, String> = BTreeMap::new();
        let mut processes = Vec::new();
        let mut waiting: Vec<_> = generated.topology.services().iter().rev().collect();
        while !waiting.is_empty() {
            let is_known =
                |service: &&Service| service.calls.iter().all(|name| addresses.contains_key(name.as_str()));
            let next = waiting.iter().position(is_known).expect("a graph without cycles");
            let service = waiting.remove(next);
            let mut own = Vec::new();
            for replica in 1..=service.replicas {
                let variables = variables(service, replica, &addresses, data.path(), zipkin);
                let mut environment = Environment::new(&variables);
                let topology = generated.topology.clone();
                let name = Some(service.name.as_str());
                let settings = ServiceSettings::from_environment(&mut environment, topology, name);
                let settings = environment.finish(settings).expect("valid").expect("a service");
                let ports = settings.process.bind().await.expect("bound");
                own.push(ports.main.local_addr().expect("bound").to_string());
                let admin = ports.admin.local_addr().expect("bound").to_string();
                let (trigger, drain) = Drain::on_trigger(Duration::ZERO);
                let serving =
                    tokio::spawn(async { server::run_on(ports, settings, drain).await.expect("served") });
                processes.push(Process { admin, drain: trigger, serving });
            }
            addresses.insert(service.name.to_string(), own.join(","));
        }
        let entry = &addresses[generated.topology.entry().name.as_str()];
        // Its first process, where it has several.
        let entry = entry.split(',').next().expect("an address").to_owned();
        Self { entry, processes, data }
    }

    /// The number of calls that were served, once none is in flight.
    pub(super) async fn served(&self) -> Result<usize, String> {
        let client = Client::new();
        let (mut started, mut ended) = (0, 0);
        for process in &self.processes {
            let metrics = client.get(&format!("http://{}/metrics", process.admin)).await;
            started += sum(metrics.text(), "grpc_server_started_total{");
            ended += sum(metrics.text(), "grpc_server_handled_total{");
        }
        if started == ended { Ok(ended) } else { Err(format!("{ended} of {started}")) }
    }

    /// Drains every process, callers first, and returns the directory of their data.
    pub async fn stop(self) -> TempDir {
        for process in self.processes.into_iter().rev() {
            process.drain.start();
            process.serving.await.expect("stopped");
        }
        self.data
    }
}

fn variables(
    service: &Service,
    replica: u32,
    addresses: &BTreeMap<String, String>,
    data: &Path,
    zipkin: &Zipkin,
) -> BTreeMap<String, String> {
    let own = [
        ("PORT", "127.0.0.1:0".to_owned()),
        ("ADMIN_PORT", "127.0.0.1:0".to_owned()),
        ("DRAIN_PAUSE", "0s".to_owned()),
        ("REPLICA", replica.to_string()),
    ];
    let own = own.into_iter().chain(zipkin.environment()).chain(stores(data));
    let urls = service
        .calls
        .iter()
        .map(|callee| (format!("{}_URL", callee.env_prefix()), addresses[callee.as_str()].clone()));
    own.map(|(name, value)| (name.to_owned(), value)).chain(urls).collect()
}

/// The sum of all series of the greeting service with this name.
fn sum(metrics: &str, series: &str) -> usize {
    let lines = metrics.lines().filter(|line| line.starts_with(series) && line.contains("GreetingService"));
    lines.map(|line| line.rsplit(' ').next().expect("a value").parse::<usize>().expect("a count")).sum()
}
