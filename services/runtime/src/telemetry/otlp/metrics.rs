//! Exports the process's metrics: all series of the registry, cumulative, as `/metrics` shows them.

mod convert;

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use prometheus::IntCounter;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::client::{Client, Messages};
use crate::metrics::Metrics;

/// The number of `ScopeMetrics.metrics`.
const METRICS: u32 = 2;

struct AllMetrics;

impl Messages for AllMetrics {
    type Request = ExportMetricsServiceRequest;
    type Response = ExportMetricsServiceResponse;
    const ITEMS: &'static str = "metrics";

    fn rejected(response: Self::Response) -> Option<(i64, String)> {
        response.partial_success.map(|partial| (partial.rejected_data_points, partial.error_message))
    }
}

/// How often metrics are exported: `OTEL_METRIC_EXPORT_*`.
#[derive(Debug, Clone, Copy)]
pub(in crate::telemetry) struct Times {
    pub(in crate::telemetry) interval: Duration,
    /// Of one export, all attempts together.
    pub(in crate::telemetry) timeout: Duration,
}

/// Posts all metrics to an OTLP backend.
pub(in crate::telemetry) struct MetricExporter {
    client: Client,
    metrics: Metrics,
    exported: IntCounter,
    failed: IntCounter,
}

impl MetricExporter {
    /// # Errors
    /// When its own metric is registered already.
    pub(in crate::telemetry) fn new(client: Client, metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let help = "Number of exports of all metrics by OTLP, by result";
        let exports = metrics.counter("octet_metric_exports_total", help, &["result"])?;
        Ok(Self {
            client,
            metrics: metrics.clone(),
            exported: exports.with_label_values(&["exported"]),
            failed: exports.with_label_values(&["failed"]),
        })
    }

    /// Exports in intervals until `closing` is set, and then once more. A failed export loses nothing: the next one has the
    /// sums.
    pub(in crate::telemetry) async fn run(self, times: Times, mut closing: watch::Receiver<bool>) {
        let mut is_available = true;
        loop {
            let is_closing = tokio::select! {
                () = sleep(times.interval) => false,
                // A dropped sender means the same.
                _ = closing.wait_for(|closing| *closing) => true,
            };
            let outcome = match timeout(times.timeout, self.export()).await {
                Ok(outcome) => outcome,
                Err(_) => Err(format!("export timed out after {:?}", times.timeout)),
            };
            match &outcome {
                Ok(()) => self.exported.inc(),
                Err(_) => self.failed.inc(),
            }
            match &outcome {
                Ok(()) if !is_available => tracing::info!(exporter = "otlp", "export of metrics recovered"),
                Err(reason) if is_available => {
                    tracing::warn!(exporter = "otlp", reason, "export of metrics failed");
                }
                _ => {}
            }
            is_available = outcome.is_ok();
            if is_closing {
                return;
            }
        }
    }

    async fn export(&self) -> Result<(), String> {
        let mut items = Vec::new();
        for metric in convert::metrics(&self.metrics) {
            prost::encoding::message::encode(METRICS, &metric, &mut items);
        }
        self.client.post::<AllMetrics>(&items, 0).await.map(drop)
    }
}
