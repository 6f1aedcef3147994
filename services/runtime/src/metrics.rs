//! The process's metrics, in Prometheus's text format and in OpenMetrics.

mod accept;
mod grpc;
mod http;
mod open_metrics;
mod process;
mod seconds;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use ::http::HeaderMap;
pub use grpc::{GrpcCall, GrpcMetrics, RpcKind};
pub use http::{HttpMetrics, method_name};
use prometheus::{
    HistogramOpts, HistogramVec, IntGauge, Opts, Registry, TEXT_FORMAT, TextEncoder, core::Collector,
    proto::MetricFamily,
};
pub use prometheus::{IntCounterVec, IntGaugeVec};
pub use seconds::{Seconds, SecondsSeries};

pub(crate) use seconds::{Exemplar, Exemplars};

use crate::identity;

/// Upper bounds in seconds, from a loopback hop to the default deadline.
pub const LATENCY_BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Upper bounds in seconds for what may wait through an outage, from a millisecond to an hour.
pub const WAIT_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

/// Every series of this process. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    /// By the name of the histogram.
    exemplars: Arc<Mutex<HashMap<String, Exemplars>>>,
    started: SystemTime,
}

impl Metrics {
    /// Registers `process_*` and `octet_build_info`.
    ///
    /// # Errors
    /// Only a programming error in this crate can cause one.
    pub fn new(service: &str) -> Result<Self, prometheus::Error> {
        let metrics =
            Self { registry: Registry::new(), exemplars: Arc::default(), started: SystemTime::now() };
        metrics.registry.register(Box::new(process::Process::this()))?;
        let build = Opts::new("octet_build_info", "Version of this build, as a label; the value is always 1")
            .const_label("version", identity::VERSION)
            .const_label("service", service);
        metrics.register(IntGauge::with_opts(build)?)?.set(1);
        Ok(metrics)
    }

    /// A counter by labels.
    ///
    /// # Errors
    /// When the name is taken or invalid.
    pub fn counter(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    /// A counter by outcome. Each outcome is 0 from the start: Prometheus does not see the first increase of a series that
    /// starts at 1.
    ///
    /// # Errors
    /// When the name is taken or invalid.
    pub fn outcomes(
        &self,
        name: &str,
        help: &str,
        outcomes: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        let counter = self.counter(name, help, &["outcome"])?;
        for outcome in outcomes {
            counter.with_label_values(&[*outcome]);
        }
        Ok(counter)
    }

    /// A gauge by labels.
    ///
    /// # Errors
    /// When the name is taken or invalid.
    pub fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// A histogram of seconds by labels, in [`LATENCY_BUCKETS`].
    ///
    /// # Errors
    /// When the name is taken or invalid.
    pub fn seconds(&self, name: &str, help: &str, labels: &[&str]) -> Result<Seconds, prometheus::Error> {
        self.seconds_in(LATENCY_BUCKETS, name, help, labels)
    }

    /// A histogram of seconds by labels, with the given upper bounds.
    ///
    /// # Errors
    /// When the name is taken or invalid, or the bounds are not in order.
    pub fn seconds_in(
        &self,
        bounds: &[f64],
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<Seconds, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        let seconds = Seconds::new(self.register(HistogramVec::new(options, labels)?)?, bounds, labels);
        let mut exemplars = self.exemplars.lock().unwrap_or_else(PoisonError::into_inner);
        exemplars.insert(name.to_owned(), seconds.exemplars());
        Ok(seconds)
    }

    /// All series in the format that a client prefers by the `Accept` in its headers, and the content type.
    ///
    /// # Errors
    /// When a collector returns a metric that cannot be encoded.
    pub fn exposition(&self, headers: &HeaderMap) -> Result<(&'static str, String), prometheus::Error> {
        if accept::prefers_open_metrics(headers) {
            Ok((open_metrics::OPEN_METRICS, self.open_metrics()))
        } else {
            Ok((TEXT_FORMAT, self.text()?))
        }
    }

    /// All series in OpenMetrics, with exemplars.
    fn open_metrics(&self) -> String {
        open_metrics::encode(&self.families(), |family| self.exemplars(family))
    }

    /// All series, by the names of their families.
    pub(crate) fn families(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    /// The exemplars of a histogram.
    pub(crate) fn exemplars(&self, family: &str) -> Option<Exemplars> {
        self.exemplars.lock().unwrap_or_else(PoisonError::into_inner).get(family).cloned()
    }

    /// When counting started.
    pub(crate) fn started(&self) -> SystemTime {
        self.started
    }

    /// All series in Prometheus's text format.
    ///
    /// # Errors
    /// When a collector returns a metric that cannot be encoded.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    pub(crate) fn register<C: Collector + Clone + 'static>(
        &self,
        collector: C,
    ) -> Result<C, prometheus::Error> {
        self.registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}

#[cfg(test)]
mod tests;
