//! The settings and ports of every process.

use tokio::net::TcpListener;

use crate::{
    admin::{AdminAccess, LogControl},
    admission::Admission,
    drain::DrainSettings,
    environment::Environment,
    faults::FaultSettings,
    hosts::AllowedHosts,
    identity,
    listen::{BindError, ListenAddress},
    logs::LogSettings,
    propagation::Propagation,
    telemetry::TelemetrySettings,
    upstream::UpstreamSettings,
};

/// The variable by which the local runner reports how often it has restarted a process.
pub const RESTARTS: &str = "OCTET_RESTARTS";

/// The defaults that differ between processes.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// `PORT`.
    pub port: u16,
    /// `ADMIN_PORT`.
    pub admin_port: u16,
    /// `MAX_CONCURRENT`.
    pub max_concurrent: usize,
}

/// The settings that every process reads.
#[derive(Debug)]
pub struct ProcessSettings {
    /// The address of its server.
    pub listen: ListenAddress,
    /// The address of its admin server.
    pub admin: ListenAddress,
    /// Who may make changes through its admin server.
    pub access: AdminAccess,
    /// The hosts that its admin server accepts.
    pub hosts: AllowedHosts,
    /// Its logs.
    pub logs: LogSettings,
    /// The durations of its drain.
    pub drain: DrainSettings,
    /// The headers that it propagates to the next hop.
    pub propagation: Propagation,
    /// Its limit of concurrent requests.
    pub admission: Admission,
    /// Its upstreams' settings.
    pub upstream: UpstreamSettings,
    /// Its spans and their exporters.
    pub telemetry: TelemetrySettings,
    /// Its faults.
    pub faults: FaultSettings,
    /// How often it has been restarted, if the local runner reports that.
    pub restarts: Option<i64>,
}

impl ProcessSettings {
    /// Reads them all.
    pub fn from_environment(environment: &mut Environment<'_>, defaults: Defaults) -> Self {
        let telemetry = TelemetrySettings::from_environment(environment);
        Self {
            listen: ListenAddress::from_environment(environment, "PORT", defaults.port),
            admin: ListenAddress::from_environment(environment, "ADMIN_PORT", defaults.admin_port),
            access: AdminAccess::from_environment(environment),
            hosts: AllowedHosts::from_environment(environment),
            logs: LogSettings::from_environment(environment).exported_by(&telemetry),
            drain: DrainSettings::from_environment(environment),
            propagation: Propagation::from_environment(environment),
            admission: Admission::from_environment(environment, defaults.max_concurrent),
            upstream: UpstreamSettings::from_environment(environment),
            telemetry,
            faults: FaultSettings::default(),
            restarts: environment.optional(RESTARTS, "a number of restarts", |text| {
                text.parse().ok().filter(|restarts| *restarts >= 0).ok_or(())
            }),
        }
    }

    pub(super) fn log_control(&self) -> LogControl {
        LogControl { levels: self.logs.levels(), access: self.access.clone() }
    }

    /// Binds both ports, before any work starts.
    ///
    /// # Errors
    /// [`BindError`], for the first port that cannot be bound.
    pub async fn bind(&self) -> Result<Ports, BindError> {
        Ok(Ports { main: self.listen.bind().await?, admin: self.admin.bind().await? })
    }
}

/// The bound ports of a process.
#[derive(Debug)]
pub struct Ports {
    /// The port of its server.
    pub main: TcpListener,
    /// The port of its admin server.
    pub admin: TcpListener,
}

impl Ports {
    /// Logs the bound addresses, which the system chose where the configured port is 0.
    pub(super) fn log_serving(&self) {
        let address = |listener: &TcpListener| {
            listener.local_addr().map(|address| address.to_string()).unwrap_or_default()
        };
        tracing::info!(
            version = identity::VERSION,
            address = address(&self.main),
            admin = address(&self.admin),
            "serving"
        );
    }
}
