//! The collector, from its settings to its shutdown.

use octet_runtime::{
    admin::{self, Readiness},
    drain::Drain,
    listen::BindError,
    metrics::Metrics,
    process::Ports,
    serve::{ServeLimits, serve},
};

use crate::{
    http::{self, Collector},
    settings::CollectorSettings,
    store::Store,
};

/// Why the collector did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A programming error, which a test would have found.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}

/// Runs the collector until it has drained.
///
/// # Errors
/// [`StartError`], before anything is served.
pub async fn run(settings: CollectorSettings, drain: Drain) -> Result<(), StartError> {
    let ports = settings.process.bind().await?;
    run_on(ports, settings, drain).await
}

/// As [`run`], on ports that the caller has bound.
///
/// # Errors
/// [`StartError`], before anything is served.
pub async fn run_on(ports: Ports, settings: CollectorSettings, drain: Drain) -> Result<(), StartError> {
    let grace = settings.process.drain.grace;
    let metrics = Metrics::new("collector")?;
    let store = Store::new(settings.memory);
    let router = http::router(Collector::new(store, settings.process.admission.clone(), &metrics)?);
    ports.log_serving();

    let readiness = Readiness::new(drain.clone(), Vec::new());
    let admin = tokio::spawn(admin::serve(ports.admin, readiness, metrics, settings.process.log_control()));
    serve(ports.main, router, ServeLimits::default(), &drain, grace).await;
    admin.abort();
    tracing::info!("drained");
    Ok(())
}
