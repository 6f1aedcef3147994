//! Where the admin servers of all processes are: `ADMIN_ADDRESSES`.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use octet_runtime::{environment::Environment, http_url::HttpUrl, identity::GATEWAY};
use octet_topology::{MAX_REPLICAS, Topology};
use tokio::net::lookup_host;

const VARIABLE: &str = "ADMIN_ADDRESSES";

/// The processes that are not services.
const OTHERS: [&str; 2] = [GATEWAY, COLLECTOR];

const COLLECTOR: &str = "collector";

/// Addresses that are read of one process: its replicas, where its name has several.
const MAX_ADDRESSES: usize = MAX_REPLICAS as usize;

/// For the resolution of one name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);

/// A process and its number among the replicas of its service.
pub(crate) type Name = (String, Option<u32>);

/// The admin server of each process, by the process's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AdminAddresses(Vec<AdminAddress>);

/// The admin server of one process, or of its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AdminAddress {
    process: String,
    /// Its number, where the entry names one replica.
    replica: Option<u32>,
    host: String,
    port: u16,
}

impl AdminAddresses {
    /// Reads `ADMIN_ADDRESSES`: `service-a=127.0.0.1:9001,gateway=octet-gateway:9000`, a replica as `service-a#2=…`; empty by
    /// default.
    pub(crate) fn from_environment(environment: &mut Environment<'_>, topology: Option<&Topology>) -> Self {
        let Some(text) = environment.text(VARIABLE) else { return Self::default() };
        let mut names = BTreeSet::new();
        let mut addresses = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let Some(address) = parse(entry) else {
                environment.fault(
                    VARIABLE,
                    format!(
                        "{entry:?} must be NAME=HOST:PORT or NAME#REPLICA=HOST:PORT, for example service-a=127.0.0.1:9001"
                    ),
                );
                continue;
            };
            let is_known = topology.is_none_or(|topology| is_process(topology, &address.process));
            if !is_known {
                let name = &address.process;
                environment.fault(VARIABLE, format!("{name:?} must be a service, gateway or collector"));
            } else if names.insert((address.process.clone(), address.replica)) {
                addresses.push(address);
            } else {
                environment.fault(VARIABLE, format!("{:?} is named twice", address.name()));
            }
        }
        Self(addresses)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of processes that have faults: the collector serves no calls.
    pub(crate) fn with_faults(&self) -> impl Iterator<Item = &AdminAddress> {
        self.iter().filter(|address| address.process != COLLECTOR)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &AdminAddress> {
        self.0.iter()
    }
}

impl AdminAddress {
    /// As it is written.
    fn name(&self) -> String {
        self.replica.map_or_else(|| self.process.clone(), |replica| format!("{}#{replica}", self.process))
    }

    /// Where its replicas are; one entry with the reason if it has no address.
    pub(crate) async fn targets(&self) -> Vec<(Name, Result<SocketAddr, String>)> {
        let name = (self.process.clone(), self.replica);
        match tokio::time::timeout(RESOLVE_TIMEOUT, self.resolve()).await {
            Ok(Ok(found)) => found.into_iter().map(|found| (name.clone(), Ok(found))).collect(),
            Ok(Err(reason)) => vec![(name, Err(reason))],
            Err(_) => vec![(name, Err("name resolution timed out".to_owned()))],
        }
    }

    /// The addresses of its replicas, in a stable order.
    async fn resolve(&self) -> Result<Vec<SocketAddr>, String> {
        let found = lookup_host((self.host.as_str(), self.port)).await;
        let found: BTreeSet<_> = found.map_err(|_| "name does not resolve".to_owned())?.collect();
        if found.is_empty() {
            return Err("name does not resolve".to_owned());
        }
        Ok(found.into_iter().take(MAX_ADDRESSES).collect())
    }
}

fn parse(entry: &str) -> Option<AdminAddress> {
    let (name, address) = entry.split_once('=')?;
    let (process, replica) = match name.trim().split_once('#') {
        Some((process, replica)) => {
            let replica = replica.parse().ok().filter(|replica| (1..=MAX_REPLICAS).contains(replica));
            (process, Some(replica?))
        }
        None => (name.trim(), None),
    };
    let url =
        HttpUrl::parse_http(&format!("http://{}", address.trim())).filter(|url| url.path().is_empty())?;
    let authority = url.authority();
    Some(AdminAddress {
        process: process.to_owned(),
        replica,
        host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: authority.port_u16()?,
    })
}

fn is_process(topology: &Topology, name: &str) -> bool {
    OTHERS.contains(&name) || topology.services().iter().any(|service| service.name.as_str() == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        let variables = BTreeMap::from([(VARIABLE.to_owned(), text.to_owned())]);
        let mut environment = Environment::new(&variables);
        let topology = Topology::built_in().expect("valid");
        let addresses = AdminAddresses::from_environment(&mut environment, Some(&topology));
        let shown = addresses.iter().map(|it| format!("{} {} {}", it.name(), it.host, it.port)).collect();
        environment.finish(shown).map_err(|faults| faults.to_string())
    }

    #[test]
    fn services_gateway_and_collector_have_addresses() {
        let addresses = read("service-a=127.0.0.1:9001, collector=[::1]:9412,gateway=octet-gateway:9000,");
        assert_eq!(
            addresses.expect("valid"),
            ["service-a 127.0.0.1 9001", "collector ::1 9412", "gateway octet-gateway 9000"]
        );
        let replicas = read("service-a#1=127.0.0.1:1,service-a#2=127.0.0.1:2");
        assert_eq!(replicas.expect("valid"), ["service-a#1 127.0.0.1 1", "service-a#2 127.0.0.1 2"]);
        for malformed in
            ["service-a#0=a:1", "service-a#17=a:1", "service-a#=a:1", "service-a#1=a:1,service-a#1=b:1"]
        {
            read(malformed).expect_err(malformed);
        }
    }

    #[test]
    fn every_fault_is_reported() {
        let faults = read(
            "service-a,service-b=:1,service-c=c:9001/x,service-z=z:1,service-d=d,gateway=g:1,gateway=h:1",
        )
        .expect_err("six faults");
        assert_eq!(faults.lines().count(), 6, "{faults}");
        assert!(
            faults.contains(r#"ADMIN_ADDRESSES: "service-z" must be a service, gateway or collector"#),
            "{faults}"
        );
        assert!(faults.contains(r#""gateway" is named twice"#), "{faults}");
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_an_error() {
        let address = parse("service-a=name.invalid:1").expect("valid");
        assert_eq!(address.resolve().await, Err("name does not resolve".to_owned()));
        assert_eq!(parse("a=127.0.0.1:7").expect("valid").resolve().await.map(|found| found.len()), Ok(1));
    }
}
