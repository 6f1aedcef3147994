//! gRPC's series, named and labelled as go-grpc-prometheus does, so that existing dashboards read them.

use std::time::Instant;

use prometheus::{HistogramVec, IntCounterVec};
use tonic::Code;

use super::Metrics;

/// `grpc_server_*` or `grpc_client_*`.
#[derive(Clone)]
pub struct GrpcMetrics {
    started: IntCounterVec,
    handled: IntCounterVec,
    seconds: HistogramVec,
}

impl GrpcMetrics {
    /// The series of calls that this process answers.
    ///
    /// # Errors
    /// When they are registered already.
    pub fn server(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        Self::register(metrics, "server", "answered", &["grpc_type", "grpc_service", "grpc_method"])
    }

    /// The series of calls that this process makes, with the upstream as a label.
    ///
    /// # Errors
    /// When they are registered already.
    pub fn client(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        Self::register(metrics, "client", "made", &["grpc_type", "grpc_service", "grpc_method", "upstream"])
    }

    fn register(
        metrics: &Metrics,
        side: &str,
        verb: &str,
        labels: &[&str],
    ) -> Result<Self, prometheus::Error> {
        let mut with_code = labels.to_vec();
        with_code.push("grpc_code");
        Ok(Self {
            started: metrics.counter(
                &format!("grpc_{side}_started_total"),
                &format!("RPCs begun, of those {verb}"),
                labels,
            )?,
            handled: metrics.counter(
                &format!("grpc_{side}_handled_total"),
                &format!("RPCs ended, of those {verb}, by code"),
                &with_code,
            )?,
            seconds: metrics.seconds(
                &format!("grpc_{side}_handling_seconds"),
                &format!("Seconds from begin to end, of RPCs {verb}"),
                labels,
            )?,
        })
    }

    /// Counts a unary call as begun. `path` is HTTP/2's `/package.Service/Method`; a client names the
    /// upstream as well.
    pub fn begin(&self, path: &str, upstream: Option<&str>) -> GrpcCall {
        let (service, method) =
            path.trim_start_matches('/').split_once('/').unwrap_or(("unknown", "unknown"));
        let mut labels = vec!["unary".to_owned(), service.to_owned(), method.to_owned()];
        labels.extend(upstream.map(str::to_owned));
        self.started.with_label_values(&labels).inc();
        GrpcCall { metrics: self.clone(), labels, begun: Instant::now(), code: Code::Cancelled }
    }
}

/// A call under way. Counted when dropped: as cancelled, unless it [ended](GrpcCall::end) before.
pub struct GrpcCall {
    metrics: GrpcMetrics,
    labels: Vec<String>,
    begun: Instant,
    code: Code,
}

impl GrpcCall {
    /// The call has its answer.
    pub fn end(mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for GrpcCall {
    fn drop(&mut self) {
        self.metrics.seconds.with_label_values(&self.labels).observe(self.begun.elapsed().as_secs_f64());
        self.labels.push(format!("{:?}", self.code).replace("Ok", "OK").replace("Cancelled", "Canceled"));
        self.metrics.handled.with_label_values(&self.labels).inc();
    }
}
