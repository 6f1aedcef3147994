//! The admin server of every process: `/livez`, `/readyz`, `/metrics`, `/log-level`, and `/faults` where faults can act.

mod access;
mod fault_client;
mod faults;
mod histogram;
mod lasting;
mod log_level;
mod report;

use std::{fmt::Write as _, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::future::{BoxFuture, join_all};
use tokio::net::TcpListener;

pub use access::{AdminAccess, Denied, came_through_proxy, is_local};
pub use fault_client::{FaultChange, FaultReport};
pub use faults::{FaultControl, named as named_fault};
pub use histogram::Histogram;
pub use lasting::lasting;
pub use log_level::LogControl;
pub use report::{AdminClient, AdminReport, QueueReport, StoreReport, UnreadableAdmin};

use crate::{
    drain::Drain,
    hosts::{self, AllowedHosts},
    metrics::Metrics,
    serve::{self, ServeLimits},
};

/// How long a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// A check of something that the process needs in order to serve, such as its store or queue.
pub struct Probe {
    name: &'static str,
    check: Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
}

impl Probe {
    /// A probe that runs `check` on `target` and reports its error as the reason.
    pub fn new<T, F, E>(name: &'static str, target: T, check: impl Fn(T) -> F + Send + Sync + 'static) -> Self
    where
        T: Clone + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display,
    {
        let check = move || -> BoxFuture<'static, Result<(), String>> {
            let checked = check(target.clone());
            Box::pin(async move {
                match tokio::time::timeout(PROBE_TIMEOUT, checked).await {
                    Ok(outcome) => outcome.map_err(|error| error.to_string()),
                    Err(_) => Err(format!("no response within {PROBE_TIMEOUT:?}")),
                }
            })
        };
        Self { name, check: Box::new(check) }
    }
}

/// Whether this process is ready: it is not draining, and each probe succeeds. Upstreams do not count, so that one failing
/// leaf does not take the whole tree out of service.
#[derive(Clone)]
pub struct Readiness {
    drain: Drain,
    probes: Arc<[Probe]>,
}

impl Readiness {
    /// Ready while `drain` has not started and all `probes` succeed.
    pub fn new(drain: Drain, probes: Vec<Probe>) -> Self {
        Self { drain, probes: probes.into() }
    }

    /// Runs the probes.
    ///
    /// # Errors
    /// The reasons why the process is not ready, one a line.
    pub async fn check(&self) -> Result<(), String> {
        if self.drain.has_started() {
            return Err("draining\n".to_owned());
        }
        let outcomes = join_all(self.probes.iter().map(|probe| (probe.check)())).await;
        let mut reasons = String::new();
        for (probe, outcome) in self.probes.iter().zip(outcomes) {
            if let Err(reason) = outcome {
                // Writing to a String cannot fail.
                let _ = writeln!(reasons, "{}: {reason}", probe.name);
            }
        }
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }
}

#[derive(Clone)]
struct Admin {
    readiness: Readiness,
    metrics: Metrics,
}

/// Serves until the future is dropped. The admin server outlives every other listener, so that a drain can be observed.
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    metrics: Metrics,
    (logs, faults): (LogControl, Option<FaultControl>),
    hosts: AllowedHosts,
) {
    let router = router(readiness, metrics, logs);
    let router = match faults {
        Some(faults) => router.merge(faults::router(faults)),
        None => router,
    };
    let router = router.layer(from_fn_with_state(hosts, hosts::check));
    serve::serve(listener, router, ServeLimits::default(), &Drain::never(), Duration::ZERO).await;
}

fn router(readiness: Readiness, metrics: Metrics, logs: LogControl) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .with_state(Admin { readiness, metrics })
        .merge(log_level::router(logs))
}

async fn ready(State(admin): State<Admin>) -> Response {
    match admin.readiness.check().await {
        Ok(()) => "ok\n".into_response(),
        Err(reasons) => (StatusCode::SERVICE_UNAVAILABLE, reasons).into_response(),
    }
}

async fn metrics_text(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    match admin.metrics.exposition(&headers) {
        Ok((format, text)) => {
            ([(header::CONTENT_TYPE, format), (header::VARY, "accept")], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "cannot encode the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
