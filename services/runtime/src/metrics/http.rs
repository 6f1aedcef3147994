//! HTTP's series, by OpenTelemetry's semantic conventions.

use std::time::Duration;

use http::Method;

use super::{Metrics, Seconds};
use crate::telemetry::SampledIds;

/// `http_server_request_duration_seconds`. Clones share their series.
#[derive(Clone)]
pub struct HttpMetrics {
    seconds: Seconds,
}

impl HttpMetrics {
    /// The series of requests that this process serves.
    ///
    /// # Errors
    /// When they are registered already.
    pub fn server(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let seconds = metrics.seconds(
            "http_server_request_duration_seconds",
            "Time from a request's head to its response's head, in seconds",
            &["http_request_method", "http_route", "http_response_status_code"],
        )?;
        Ok(Self { seconds })
    }

    /// Counts a request. `route` is a pattern, empty where none matched: each path would be a series of its own. `status` is
    /// a class such as `2xx` where clients choose the status. `span` is the request's, if its trace is sampled.
    pub fn observe(
        &self,
        (method, route, status): (&Method, &str, &str),
        duration: Duration,
        span: Option<SampledIds>,
    ) {
        self.seconds.with(&[method_name(method), route, status]).observe(duration, span);
    }
}

/// The method's name, or `_OTHER` for methods that clients invent.
pub fn method_name(method: &Method) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .into_iter()
        .find(|name| *name == method.as_str())
        .unwrap_or("_OTHER")
}
