//! Log lines by OTLP: a layer beside the one that writes them to standard output, and a bounded queue.

mod layer;

use std::sync::{Arc, OnceLock};

use prometheus::{IntCounterVec, Opts};
use tokio_rustls::rustls;

pub(crate) use self::layer::LogLayer;
use super::{
    batch::{BatchSettings, Queue},
    otlp::{Client, LogExporter, OtlpSettings, Resource},
};

/// How log lines are exported. Logs are installed before the process has metrics and a runtime: the queue fills from the
/// first line, and a worker empties it once telemetry has [started](super::Telemetry::start). Clones share the queue.
#[derive(Debug, Clone)]
pub(crate) struct LogExport {
    pub(super) otlp: OtlpSettings,
    pub(super) batch: BatchSettings,
    /// Overrides the service's own name.
    pub(super) service: Option<String>,
    pub(super) attributes: Vec<(String, String)>,
    /// See [`Resource::new`].
    pub(super) instance: String,
    pub(super) installed: Arc<OnceLock<Installed>>,
}

/// The queue, and its counters, which are registered later.
#[derive(Clone)]
pub(super) struct Installed {
    pub(super) queue: Arc<Queue<LogExporter>>,
    pub(super) counts: IntCounterVec,
}

impl std::fmt::Debug for Installed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Installed").finish_non_exhaustive()
    }
}

/// Why log lines cannot be exported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogExportError {
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}

impl LogExport {
    /// The layer that queues each line of `service`.
    pub(crate) fn layer(&self, service: &str) -> Result<LogLayer, LogExportError> {
        let service = self.service.as_deref().unwrap_or(service);
        let resource = Resource::new(service, &self.attributes, &self.instance);
        let exporter = LogExporter(Client::new(&self.otlp, &resource)?);
        let counts = Opts::new("octet_log_records_total", "Number of log records by exporter and result");
        let counts = IntCounterVec::new(counts, &["exporter", "result"])?;
        let queue = Arc::new(Queue::new(exporter, self.batch, &counts));
        let installed = self.installed.get_or_init(|| Installed { queue, counts });
        Ok(LogLayer::new(installed.queue.clone()))
    }
}
