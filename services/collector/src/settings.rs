//! The settings of the collector from its environment, parsed before it binds a port.

use octet_runtime::{
    environment::Environment,
    listen::{BindError, ListenAddress},
    process::{Defaults, Ports, ProcessSettings},
};
use tokio::net::TcpListener;

use crate::store::Memory;

/// Zipkin's port. Few concurrent requests, since each can hold a whole report in memory.
const DEFAULTS: Defaults = Defaults { port: 9411, admin_port: 9412, max_concurrent: 64 };

/// The ports of OTLP over gRPC and over HTTP.
const OTLP_PORTS: (u16, u16) = (4317, 4318);

const MIB: usize = 1024 * 1024;

/// The settings of the collector.
#[derive(Debug)]
pub struct CollectorSettings {
    /// The settings that every process has.
    pub process: ProcessSettings,
    /// The addresses for OTLP over gRPC and over HTTP.
    otlp: (ListenAddress, ListenAddress),
    pub(crate) memory: Memory,
}

/// The bound ports of the collector.
#[derive(Debug)]
pub struct CollectorPorts {
    /// Zipkin's, and that of the admin server.
    pub process: Ports,
    /// For OTLP over gRPC.
    pub otlp_grpc: TcpListener,
    /// For OTLP over HTTP.
    pub otlp_http: TcpListener,
}

impl CollectorSettings {
    /// Reads all of the collector's variables: those of every process, `COLLECTOR_MEMORY` (64 MiB), the memory for stored
    /// spans and counts, and `OTLP_GRPC_PORT` and `OTLP_HTTP_PORT`.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        let memory =
            environment.size("COLLECTOR_MEMORY", 64 * MIB, MIB..=16 * 1024 * MIB, "from 1MiB to 16GiB");
        let (grpc, http) = OTLP_PORTS;
        Self {
            process: ProcessSettings::from_environment(environment, DEFAULTS),
            otlp: (
                ListenAddress::from_environment(environment, "OTLP_GRPC_PORT", grpc),
                ListenAddress::from_environment(environment, "OTLP_HTTP_PORT", http),
            ),
            memory: Memory::of(memory),
        }
    }

    /// Binds all ports, before any work starts.
    ///
    /// # Errors
    /// [`BindError`], for the first port that cannot be bound.
    pub async fn bind(&self) -> Result<CollectorPorts, BindError> {
        let (grpc, http) = &self.otlp;
        Ok(CollectorPorts {
            process: self.process.bind().await?,
            otlp_grpc: grpc.bind().await?,
            otlp_http: http.bind().await?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn all_faults_are_reported_at_once() {
        let variables = BTreeMap::from(
            [("COLLECTOR_MEMORY", "much"), ("PORT", "x"), ("OTLP_GRPC_PORT", "y"), ("OTLP_HTTP_PORT", "z")]
                .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        let mut environment = Environment::new(&variables);
        CollectorSettings::from_environment(&mut environment);
        let faults = environment.finish(()).expect_err("faults").to_string();
        assert_eq!(faults.lines().count(), 4, "{faults}");
    }
}
