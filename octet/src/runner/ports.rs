//! The addresses of the processes.

use std::net::SocketAddr;

/// The ports of a platform on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    gateway: u16,
    gateway_admin: u16,
    collector: u16,
    collector_admin: u16,
    otlp_grpc: u16,
    otlp_http: u16,
    first_service: u16,
    first_admin: u16,
    /// Of replicas beyond the first of their service; can be beyond the last port.
    first_replica: u32,
    first_replica_admin: u32,
}

impl Ports {
    /// The default ports: gateway 8080, its admin server 9000, services from 50051, their admin servers from 9001, the
    /// collector on Zipkin's 9411 and OTLP's 4317 and 4318, its admin server on 9412. Replicas beyond the first of their
    /// service: from 50115, their admin servers from 9501.
    pub fn standard() -> Self {
        Self {
            gateway: 8080,
            gateway_admin: 9000,
            collector: 9411,
            collector_admin: 9412,
            otlp_grpc: 4317,
            otlp_http: 4318,
            first_service: 50_051,
            first_admin: 9001,
            first_replica: 50_115,
            first_replica_admin: 9501,
        }
    }

    /// A block of 160 ports from `base`: gateway +0, its admin server +1, collector +2, its admin server +3, OTLP over
    /// gRPC +4 and over HTTP +5, services from +10, their admin servers from +90. +6 to +9 are reserved. Replicas beyond the
    /// first of their service are outside the block: from +160, their admin servers from +288.
    pub fn block(base: u16) -> Self {
        Self {
            gateway: base,
            gateway_admin: base + 1,
            collector: base + 2,
            collector_admin: base + 3,
            otlp_grpc: base + 4,
            otlp_http: base + 5,
            first_service: base + 10,
            first_admin: base + 90,
            first_replica: u32::from(base) + 160,
            first_replica_admin: u32::from(base) + 288,
        }
    }

    /// The address of the gateway.
    pub fn gateway(&self) -> SocketAddr {
        loopback(self.gateway)
    }

    /// The address of the gateway's admin server.
    pub fn gateway_admin(&self) -> SocketAddr {
        loopback(self.gateway_admin)
    }

    /// The address of the collector.
    pub fn collector(&self) -> SocketAddr {
        loopback(self.collector)
    }

    /// The address of the collector's admin server.
    pub fn collector_admin(&self) -> SocketAddr {
        loopback(self.collector_admin)
    }

    /// The collector's address for OTLP over gRPC.
    pub fn otlp_grpc(&self) -> SocketAddr {
        loopback(self.otlp_grpc)
    }

    /// The collector's address for OTLP over HTTP.
    pub fn otlp_http(&self) -> SocketAddr {
        loopback(self.otlp_http)
    }

    /// The address of the service at `index` in the topology; a topology has up to 64 services.
    pub fn service(&self, index: u16) -> SocketAddr {
        loopback(self.first_service.saturating_add(index))
    }

    /// The address of that service's admin server.
    pub fn service_admin(&self, index: u16) -> SocketAddr {
        loopback(self.first_admin.saturating_add(index))
    }

    /// The addresses of the server and the admin server of the replica at `index`, counted over all replicas beyond the first
    /// of their services: at most 127, since all services together have up to 128 processes. `None` beyond the last port.
    pub fn replica(&self, index: u16) -> Option<(SocketAddr, SocketAddr)> {
        Some((further(self.first_replica, index)?, further(self.first_replica_admin, index)?))
    }
}

/// The address of the port `index` after `first`; `None` beyond the last port.
fn further(first: u32, index: u16) -> Option<SocketAddr> {
    u16::try_from(first + u32::from(index)).ok().map(loopback)
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_processes_of_the_largest_topology_share_a_port() {
        for ports in [Ports::standard(), Ports::block(20_000)] {
            let mut taken = BTreeSet::from([
                ports.gateway(),
                ports.gateway_admin(),
                ports.collector(),
                ports.collector_admin(),
                ports.otlp_grpc(),
                ports.otlp_http(),
            ]);
            let services = (0..64).flat_map(|index| [ports.service(index), ports.service_admin(index)]);
            taken.extend(services);
            taken.extend((0..127).filter_map(|index| ports.replica(index)).flat_map(<[_; 2]>::from));
            assert_eq!(taken.len(), 6 + 2 * 64 + 2 * 127, "{ports:?}");
        }
    }

    #[test]
    fn a_block_stays_within_its_160_ports() {
        let ports = Ports::block(20_000);
        assert!(ports.service_admin(63).port() < 20_160);
        assert!(Ports::block(65_375).replica(0).is_none());
        assert!(Ports::block(65_119).replica(127).is_some());
    }
}
