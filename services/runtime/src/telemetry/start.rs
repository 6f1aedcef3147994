//! Tracing from a process's settings to its end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use prometheus::IntCounterVec;
use tokio::{sync::watch, task::JoinSet};

use super::{
    Tracer,
    batch::{self, BatchSettings, Exporter, Queue, Sink},
    otlp,
    propagators::Propagators,
    sender::Sender,
    settings::TelemetrySettings,
    zipkin::ZipkinExporter,
};
use crate::{drain::Drain, metrics::Metrics};

/// How long the last spans may take, of a grace period that may be longer: an orchestrator's patience is for calls, and
/// a backend that hangs must not use it up.
const LONGEST_FLUSH: Duration = Duration::from_secs(3);

/// Why tracing did not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The metrics are wired wrongly.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// OpenTelemetry's exporter refuses its settings.
    #[error("OTLP: {0}")]
    Otlp(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// A process's tracing: the tracer, and the workers that deliver what it records.
pub struct Telemetry {
    tracer: Tracer,
    queues: Vec<Arc<dyn Sink>>,
    workers: JoinSet<()>,
    closing: watch::Sender<bool>,
}

impl Telemetry {
    /// Starts a worker for each exporter. Nothing is connected to before there are spans.
    ///
    /// `service` and `local`, where the process serves, are its spans' local endpoint.
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
            "Spans that ended, by exporter and by what became of them",
            &["exporter", "result"],
        )?;
        let service = settings.service.as_deref().unwrap_or(service);
        if let Some(otlp) = &settings.otlp {
            let exporter = otlp::exporter(otlp, service, &settings.attributes)?;
            telemetry.work(exporter, settings.batch, &spans, closed.clone());
        }
        if let Some(zipkin) = &settings.zipkin {
            let sender = Sender::new(zipkin.timeout);
            let endpoint = zipkin.endpoint.clone();
            let exporter = ZipkinExporter::new(endpoint, sender, service, local, &settings.attributes);
            telemetry.work(exporter, settings.batch, &spans, closed);
        }
        telemetry.tracer = Tracer::recording(propagators, settings.sampler.clone(), telemetry.queues.clone());
        Ok(telemetry)
    }

    fn work(
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

    /// What spans are begun by.
    pub fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Delivers what waits, within `grace` and 3 s at most, once nothing makes spans any more. What is left then is dropped and counted;
    /// a second signal ends it at once.
    pub async fn flush(mut self, grace: Duration, drain: &Drain) {
        self.closing.send_replace(true);
        let delivered = tokio::time::timeout(grace.min(LONGEST_FLUSH), async {
            while self.workers.join_next().await.is_some() {}
        });
        tokio::select! {
            _ = delivered => {}
            () = drain.forced() => {}
        }
        let left: usize = self.queues.iter().map(|queue| queue.give_up()).sum();
        if left > 0 {
            tracing::warn!(spans = left, "the process ends before its last spans are delivered");
        }
    }
}
