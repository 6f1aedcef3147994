//! The metrics of a process's upstreams.

use super::attempts::{BUDGET_SPENT, RETRIED};
use crate::metrics::{GrpcMetrics, IntCounterVec, IntGaugeVec, Metrics};

/// The metrics of all upstreams of a process. Clones share them.
#[derive(Clone)]
pub struct UpstreamMetrics {
    pub(super) calls: GrpcMetrics,
    retries: IntCounterVec,
    pub(super) addresses: IntGaugeVec,
}

impl UpstreamMetrics {
    /// Registers `grpc_client_*` and `octet_upstream_*`.
    ///
    /// # Errors
    /// Only a programming error can cause one.
    pub fn new(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let help = "Retries of failed calls by [[edge]] retry: made, or refused because the budget was spent";
        let retries = metrics.counter("octet_upstream_retries_total", help, &["upstream", "outcome"])?;
        let help = "Addresses of upstreams that have several: used, or left out after failures";
        let addresses = metrics.gauge("octet_upstream_addresses", help, &["upstream", "state"])?;
        Ok(Self { calls: GrpcMetrics::client(metrics)?, retries, addresses })
    }

    /// Shows the retries of an upstream before there are any.
    pub(super) fn show_retries(&self, upstream: &str) {
        for outcome in [RETRIED, BUDGET_SPENT] {
            self.retries.with_label_values(&[upstream, outcome]);
        }
    }

    /// Counts a retry, or one that the budget refused.
    pub(super) fn count_retry(&self, upstream: &str, outcome: &str) {
        self.retries.with_label_values(&[upstream, outcome]).inc();
    }
}
