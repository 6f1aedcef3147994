//! What every process has, whatever it does: settings, two ports, an end.

use tokio::net::TcpListener;

use crate::{
    admin::{AdminAccess, LogControl},
    admission::Admission,
    drain::DrainSettings,
    environment::Environment,
    identity,
    listen::{BindError, ListenAddress},
    logs::LogSettings,
    propagation::Propagation,
    telemetry::TelemetrySettings,
    upstream::UpstreamSettings,
};

/// The defaults in which processes differ.
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
    /// Where it serves.
    pub listen: ListenAddress,
    /// Where its admin server is.
    pub admin: ListenAddress,
    /// Who may change what its admin server lets be changed.
    pub access: AdminAccess,
    /// How to log.
    pub logs: LogSettings,
    /// How long the steps of the end may take.
    pub drain: DrainSettings,
    /// Which headers go on to the next hop.
    pub propagation: Propagation,
    /// How much it takes on at once.
    pub admission: Admission,
    /// How upstreams are called.
    pub upstream: UpstreamSettings,
    /// How spans are made and where they go.
    pub telemetry: TelemetrySettings,
}

impl ProcessSettings {
    /// Reads them all.
    pub fn from_environment(environment: &mut Environment<'_>, defaults: Defaults) -> Self {
        Self {
            listen: ListenAddress::from_environment(environment, "PORT", defaults.port),
            admin: ListenAddress::from_environment(environment, "ADMIN_PORT", defaults.admin_port),
            access: AdminAccess::from_environment(environment),
            logs: LogSettings::from_environment(environment),
            drain: DrainSettings::from_environment(environment),
            propagation: Propagation::from_environment(environment),
            admission: Admission::from_environment(environment, defaults.max_concurrent),
            upstream: UpstreamSettings::from_environment(environment),
            telemetry: TelemetrySettings::from_environment(environment),
        }
    }

    /// What the admin server needs to show and change the log level.
    pub fn log_control(&self) -> LogControl {
        LogControl { levels: self.logs.levels(), access: self.access.clone() }
    }

    /// Binds both ports, before any work begins.
    ///
    /// # Errors
    /// [`BindError`], for the first port that cannot be had.
    pub async fn bind(&self) -> Result<Ports, BindError> {
        Ok(Ports { main: self.listen.bind().await?, admin: self.admin.bind().await? })
    }
}

/// The ports of a process, bound.
#[derive(Debug)]
pub struct Ports {
    /// Where it serves.
    pub main: TcpListener,
    /// Where its admin server is.
    pub admin: TcpListener,
}

impl Ports {
    /// Says where the process listens: the real ports, where the system chose them.
    pub fn log_serving(&self) {
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
