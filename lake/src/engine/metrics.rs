//! The series `octet_lake_*`.

use std::time::Duration;

use octet_runtime::{
    metrics::{IntCounterVec, IntGaugeVec, Metrics, Seconds},
    telemetry::SampledIds,
};

use crate::Committed;

/// The lake's series. Clones share them.
#[derive(Clone)]
pub struct LakeMetrics {
    rows: IntCounterVec,
    objects: IntCounterVec,
    bytes: IntCounterVec,
    skipped: IntGaugeVec,
    bad_rows: IntCounterVec,
    errors: IntCounterVec,
    stopped: IntGaugeVec,
    pending: IntGaugeVec,
    lag: IntGaugeVec,
    commit: Seconds,
}

impl LakeMetrics {
    /// Registers the series.
    ///
    /// # Errors
    /// Only a programming error can cause one.
    pub fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        Self::register(metrics).map_err(|error| MetricsError(error.to_string()))
    }

    fn register(metrics: &Metrics) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let topic = &["topic"][..];
        Ok(Self {
            rows: metrics.counter("octet_lake_rows_total", "Rows committed to the lake", topic)?,
            objects: metrics.counter("octet_lake_objects_total", "Objects written to the lake", topic)?,
            bytes: metrics.counter(
                "octet_lake_bytes_total",
                "Bytes of objects written to the lake",
                topic,
            )?,
            skipped: metrics.gauge(
                "octet_lake_skipped_rows",
                "Rows of the source that are left out, because their timestamp or key is NULL or infinite",
                &["topic", "reason"],
            )?,
            bad_rows: metrics.counter(
                "octet_lake_bad_rows_total",
                "Rows that could not be converted and are kept beside the lake",
                topic,
            )?,
            errors: metrics.counter("octet_lake_errors_total", "Failed reads and commits", topic)?,
            stopped: metrics.gauge(
                "octet_lake_stopped",
                "1 if the topic has stopped until its data or configuration changes",
                topic,
            )?,
            pending: metrics.gauge(
                "octet_lake_pending_rows",
                "Rows that are read and not committed yet",
                topic,
            )?,
            lag: metrics.gauge(
                "octet_lake_watermark_lag_seconds",
                "Age of the moment up to which the source's rows are final and read",
                &["source"],
            )?,
            commit: metrics.seconds("octet_lake_commit_seconds", "Duration of commits", topic)?,
        })
    }

    pub(super) fn committed(
        &self,
        topic: &str,
        rows: u64,
        committed: &Committed,
        took: Duration,
        span: Option<SampledIds>,
    ) {
        self.rows.with_label_values(&[topic]).inc_by(rows);
        self.objects.with_label_values(&[topic]).inc_by(u64::try_from(committed.objects).unwrap_or_default());
        self.bytes.with_label_values(&[topic]).inc_by(committed.bytes);
        self.commit.with(&[topic]).observe(took, span);
    }

    pub(super) fn skipped(&self, topic: &str, reason: &str, rows: u64) {
        self.skipped.with_label_values(&[topic, reason]).set(gauge(rows));
    }

    pub(super) fn bad_rows(&self, topic: &str, rows: u64) {
        self.bad_rows.with_label_values(&[topic]).inc_by(rows);
    }

    /// Prometheus does not see the first increase of a series that starts at 1.
    pub(super) fn start(&self, topic: &str) {
        for counter in [&self.rows, &self.objects, &self.bytes, &self.bad_rows, &self.errors] {
            counter.with_label_values(&[topic]);
        }
        self.stopped.with_label_values(&[topic]).set(0);
        self.pending.with_label_values(&[topic]).set(0);
    }

    pub(super) fn failed(&self, topic: &str) {
        self.errors.with_label_values(&[topic]).inc();
    }

    pub(super) fn stopped(&self, topic: &str) {
        self.stopped.with_label_values(&[topic]).set(1);
    }

    pub(super) fn pending(&self, topic: &str, rows: usize) {
        self.pending.with_label_values(&[topic]).set(gauge(rows as u64));
    }

    pub(super) fn lag(&self, source: &str, lag: Duration) {
        self.lag.with_label_values(&[source]).set(gauge(lag.as_secs()));
    }
}

/// A series has an invalid name, or one that is taken.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MetricsError(String);

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
