//! The scaffold of every process: settings, ports, metrics, telemetry, admin server, drain, flush.

mod settings;

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use tower::Service;

pub use self::settings::{Defaults, Ports, ProcessSettings, RESTARTS};
use crate::{
    admin::{self, AdminAccess, FaultControl, LogControl, Readiness},
    drain::Drain,
    faults::Faults,
    hosts::AllowedHosts,
    listen::BindError,
    metrics::Metrics,
    serve::{RequestBody, ServeLimits, Transport, serve_over},
    telemetry::{Telemetry, Tracer},
};

/// Why a process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A variable names something that cannot be used, such as the place of a database.
    #[error("{variable}: {source}")]
    Configuration {
        /// The variable.
        variable: &'static str,
        /// The problem.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A programming error, which a test would have found.
    #[error(transparent)]
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl StartError {
    /// A variable names something that cannot be used.
    pub fn configuration(
        variable: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Configuration { variable, source: source.into() }
    }

    /// A programming error.
    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }
}

/// A process whose ports are bound, and which records metrics and spans.
pub struct Process {
    metrics: Metrics,
    telemetry: Telemetry,
    drain: Drain,
    ports: Ports,
    logs: LogControl,
    hosts: AllowedHosts,
    faults: Option<FaultControl>,
    access: AdminAccess,
    grace: Duration,
}

impl Process {
    /// Starts metrics and telemetry of the service `name`, on ports that the caller has bound.
    ///
    /// # Errors
    /// [`StartError::Internal`].
    pub fn start(
        ports: Ports,
        settings: &ProcessSettings,
        name: &str,
        drain: Drain,
    ) -> Result<Self, StartError> {
        let metrics = Metrics::new(name).map_err(StartError::internal)?;
        if let Some(restarts) = settings.restarts {
            let help = "Number of restarts of this process by octet up";
            let gauge = metrics.gauge("octet_process_restarts", help, &[]).map_err(StartError::internal)?;
            gauge.with_label_values::<&str>(&[]).set(restarts);
        }
        let local = ports.main.local_addr().ok();
        let telemetry =
            Telemetry::start(&settings.telemetry, name, local, &metrics).map_err(StartError::internal)?;
        let (logs, hosts, grace) = (settings.log_control(), settings.hosts.clone(), settings.drain.grace);
        let access = settings.access.clone();
        Ok(Self { metrics, telemetry, drain, ports, logs, hosts, faults: None, access, grace })
    }

    /// Lets the admin server show and change `faults`.
    pub fn serve_faults(&mut self, faults: &Faults) {
        self.faults = Some(FaultControl { faults: faults.clone(), access: self.access.clone() });
    }

    /// The process's metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The process's tracer.
    pub fn tracer(&self) -> Tracer {
        self.telemetry.tracer()
    }

    /// The process's drain.
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Serves `service` over `transport`, and the admin server, until the process has drained. `finish` runs between the end
    /// of the last call and the flush of the last spans.
    pub async fn serve<T, S, B>(
        self,
        readiness: Readiness,
        transport: T,
        service: S,
        limits: ServeLimits,
        finish: impl Future<Output = ()>,
    ) where
        T: Transport,
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
        B: http_body::Body<Data = bytes::Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Self { metrics, telemetry, drain, ports, logs, hosts, faults, grace, .. } = self;
        ports.log_serving();
        let admin = tokio::spawn(admin::serve(ports.admin, readiness, metrics, (logs, faults), hosts));
        serve_over(transport, ports.main, service, limits, &drain, grace).await;
        finish.await;
        // Last, when no more spans are made; the admin server shows the result.
        let last_lines = telemetry.flush(grace, &drain).await;
        admin.abort();
        tracing::info!("drained");
        last_lines.flush(&drain).await;
    }
}
