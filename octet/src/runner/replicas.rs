//! The processes of the services, with their ports.

use std::net::SocketAddr;

use octet_topology::{Service, Topology};

use super::ports::Ports;
use crate::failure::Failure;

/// One process of a service.
pub(super) struct Replica<'a> {
    pub(super) service: &'a Service,
    /// From 1; `None` where it is the only one.
    pub(super) number: Option<u32>,
    pub(super) address: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Replica<'_> {
    /// Its name among all processes.
    pub(super) fn name(&self) -> String {
        match self.number {
            Some(number) => format!("{}#{number}", self.service.name),
            None => self.service.name.to_string(),
        }
    }
}

/// Every process of every service, in declared order. The first of a service has the ports that the service has without
/// replicas.
///
/// # Errors
/// [`Failure::Configuration`] where the ports of the replicas would be beyond the last one.
pub(super) fn planned<'a>(topology: &'a Topology, ports: &Ports) -> Result<Vec<Replica<'a>>, Failure> {
    let mut replicas = Vec::new();
    let mut further = 0;
    for (index, service) in (0..).zip(topology.services()) {
        for number in 1..=service.replicas {
            let (address, admin) = if number == 1 {
                (ports.service(index), ports.service_admin(index))
            } else {
                further += 1;
                ports.replica(further - 1).ok_or_else(|| {
                    Failure::Configuration(
                        "--base-port: too high for a topology with replicas, which take up to 416 ports: at most 65119"
                            .to_owned(),
                    )
                })?
            };
            let number = (service.replicas > 1).then_some(number);
            replicas.push(Replica { service, number, address, admin });
        }
    }
    Ok(replicas)
}
