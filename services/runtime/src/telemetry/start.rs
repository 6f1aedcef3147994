//! A process's tracing, from its settings to the last flush.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use prometheus::IntCounterVec;
use tokio::{sync::watch, task::JoinSet};
use tokio_rustls::rustls;

use super::{
    batch::{self, BatchSettings, Exporter, Queue, Sink},
    otlp::OtlpExporter,
    propagators::Propagators,
    sender::{Sender, Version},
    settings::TelemetrySettings,
    tracer::Tracer,
    zipkin::ZipkinExporter,
};
use crate::{drain::Drain, metrics::Metrics};

/// How long the last flush may take. The grace period may be longer, but it is for calls: an unresponsive backend must not
/// use it up.
const MAX_FLUSH: Duration = Duration::from_secs(3);

/// Why tracing did not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A metric is registered twice or has an invalid name.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// A process's tracing: the tracer, and a worker for each exporter.
pub struct Telemetry {
    tracer: Tracer,
    queues: Vec<Arc<dyn Sink>>,
    workers: JoinSet<()>,
    closing: watch::Sender<bool>,
}

impl Telemetry {
    /// Starts a worker for each exporter. No connection is opened before there are spans.
    ///
    /// `service` and `local`, the address that the process serves, are its spans' local endpoint.
    ///
    /// # Errors
    /// [`TelemetryError`], before anything is started.
    pub fn start(
        settings: &TelemetrySettings,
        service: &str,
        local: Option<SocketAddr>,
        metrics: &Metrics,
    ) -> Result<Self, TelemetryError> {
        let (closing, closed) = watch::channel(false);
        let mut telemetry =
            Self { tracer: Tracer::off(), queues: Vec::new(), workers: JoinSet::new(), closing };
        let propagators = Propagators::new(&settings.propagators);
        if settings.zipkin.is_none() && settings.otlp.is_none() {
            telemetry.tracer = Tracer::new(propagators, None);
            return Ok(telemetry);
        }

        let spans = metrics.counter(
            "octet_trace_spans_total",
            "Ended spans by exporter and result",
            &["exporter", "result"],
        )?;
        let service = settings.service_name(service);
        if let Some(otlp) = &settings.otlp {
            let sender = Sender::new(otlp.timeout, otlp.protocol.version(), otlp.tls.clone())?;
            let exporter = OtlpExporter::new(otlp, sender, service, &settings.attributes);
            telemetry.spawn_worker(exporter, settings.batch, &spans, closed.clone());
        }
        if let Some(zipkin) = &settings.zipkin {
            let sender = Sender::new(zipkin.timeout, Version::Http1, zipkin.tls.clone())?;
            let endpoint = zipkin.endpoint.clone();
            let exporter = ZipkinExporter::new(endpoint, sender, service, local, &settings.attributes);
            telemetry.spawn_worker(exporter, settings.batch, &spans, closed);
        }
        telemetry.tracer = Tracer::recording(propagators, settings.sampler.clone(), telemetry.queues.clone());
        Ok(telemetry)
    }

    fn spawn_worker(
        &mut self,
        exporter: impl Exporter,
        settings: BatchSettings,
        spans: &IntCounterVec,
        closing: watch::Receiver<bool>,
    ) {
        let queue = Arc::new(Queue::new(exporter, settings, spans));
        self.queues.push(queue.clone());
        self.workers.spawn(batch::run(queue, closing));
    }

    /// The process's tracer.
    pub fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Exports the spans that wait, within `grace` and 3 s at most. Call it when no more spans are made. The rest is dropped
    /// and counted; a second signal stops it immediately.
    pub async fn flush(mut self, grace: Duration, drain: &Drain) {
        self.closing.send_replace(true);
        let flushed = tokio::time::timeout(grace.min(MAX_FLUSH), async {
            while self.workers.join_next().await.is_some() {}
        });
        tokio::select! {
            _ = flushed => {}
            () = drain.forced() => {}
        }
        let left: usize = self.queues.iter().map(|queue| queue.discard()).sum();
        if left > 0 {
            tracing::warn!(spans = left, "spans dropped: they were not exported before the process stopped");
        }
    }
}
