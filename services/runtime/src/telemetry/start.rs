//! A process's telemetry, from its settings to the last flush.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use prometheus::IntCounterVec;
use tokio::{sync::watch, task::JoinSet, time::Instant};
use tokio_rustls::rustls;

use super::{
    batch::{self, BatchSettings, Queue, Sink, SpanExporter},
    logs::Installed,
    otlp::{Client, LogExporter, MetricExporter, OtlpSpanExporter, Resource},
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

/// Why telemetry did not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A metric is registered twice or has an invalid name.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// A process's telemetry: the tracer, and a worker for each exporter.
pub struct Telemetry {
    tracer: Tracer,
    queues: Vec<Arc<dyn Sink>>,
    workers: JoinSet<()>,
    closing: watch::Sender<bool>,
    logs: LogWorker,
}

/// Exports log lines; idle where there is no queue.
struct LogWorker {
    queue: Option<Arc<Queue<LogExporter>>>,
    worker: JoinSet<()>,
    closing: watch::Sender<bool>,
}

/// The log lines that wait for their export.
pub struct LastLines {
    logs: LogWorker,
    until: Instant,
}

impl Telemetry {
    /// Starts a worker for each exporter. No connection is opened before there is something to export.
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
        let logs = LogWorker::start(settings, metrics)?;
        let mut telemetry =
            Self { tracer: Tracer::off(), queues: Vec::new(), workers: JoinSet::new(), closing, logs };
        let service = settings.service_name(service);
        let resource = Resource::new(service, &settings.attributes, &settings.instance);
        if let Some((otlp, times)) = &settings.metrics {
            let exporter = MetricExporter::new(Client::new(otlp, &resource)?, metrics)?;
            telemetry.workers.spawn(exporter.run(*times, closed.clone()));
        }
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
        if let Some(otlp) = &settings.otlp {
            let exporter = OtlpSpanExporter(Client::new(otlp, &resource)?);
            telemetry.spawn_worker(exporter, settings.batch, &spans, closed.clone());
        }
        if let Some(zipkin) = &settings.zipkin {
            let sender = Sender::new(zipkin.timeout, Version::Http1, zipkin.tls.clone())?;
            let exporter = ZipkinExporter::new(zipkin, sender, service, local, &settings.attributes);
            telemetry.spawn_worker(exporter, settings.batch, &spans, closed);
        }
        let (sampler, queues) = (settings.sampler.clone(), telemetry.queues.clone());
        telemetry.tracer = Tracer::recording(propagators, sampler, settings.conventions, queues);
        Ok(telemetry)
    }

    fn spawn_worker(
        &mut self,
        exporter: impl SpanExporter,
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

    /// Exports the spans that wait, and all metrics, within `grace` and 3 s at most. Call it when no more spans are made. The
    /// rest is dropped and counted; a second signal stops it immediately. Then [flush](LastLines::flush) the log lines.
    pub async fn flush(mut self, grace: Duration, drain: &Drain) -> LastLines {
        let until = Instant::now() + grace.min(MAX_FLUSH);
        self.closing.send_replace(true);
        join_all(&mut self.workers, until, drain).await;
        let left: usize = self.queues.iter().map(|queue| queue.discard()).sum();
        if left > 0 {
            tracing::warn!(spans = left, "spans dropped: they were not exported before the process stopped");
        }
        LastLines { logs: self.logs, until }
    }
}

impl LastLines {
    /// Exports the log lines that wait, in what is left of the time of [`Telemetry::flush`]. Later lines are written to
    /// standard output only.
    pub async fn flush(mut self, drain: &Drain) {
        self.logs.closing.send_replace(true);
        join_all(&mut self.logs.worker, self.until, drain).await;
        if let Some(queue) = self.logs.queue {
            queue.discard();
        }
    }
}

impl LogWorker {
    fn start(settings: &TelemetrySettings, metrics: &Metrics) -> Result<Self, TelemetryError> {
        let (closing, closed) = watch::channel(false);
        let mut worker = JoinSet::new();
        // Logs are not installed in tests.
        let installed = settings.logs.as_ref().and_then(|logs| logs.installed.get()).cloned();
        let queue = match installed {
            Some(Installed { queue, counts }) => {
                metrics.register(counts)?;
                worker.spawn(batch::run(queue.clone(), closed));
                Some(queue)
            }
            None => None,
        };
        Ok(Self { queue, worker, closing })
    }
}

/// Waits for the workers to end, until a moment or a second signal.
async fn join_all(workers: &mut JoinSet<()>, until: Instant, drain: &Drain) {
    let joined = tokio::time::timeout_at(until, async { while workers.join_next().await.is_some() {} });
    tokio::select! {
        _ = joined => {}
        () = drain.forced() => {}
    }
}
