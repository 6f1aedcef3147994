//! The collector, from its settings to its shutdown.

use octet_runtime::{
    admin::Readiness,
    drain::Drain,
    process::{Ports, Process, StartError},
    serve::{Plain, ServeLimits},
};

use crate::{
    http::{self, Collector},
    settings::CollectorSettings,
    store::Store,
};

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
    let process = Process::start(ports, &settings.process, "collector", drain)?;
    let store = Store::new(settings.memory);
    let admission = settings.process.admission.clone();
    let collector = Collector::new(store, settings.process.hosts, admission, process.metrics())
        .map_err(StartError::internal)?;
    let readiness = Readiness::new(process.drain().clone(), Vec::new());
    process.serve(readiness, Plain, http::router(collector), ServeLimits::default(), async {}).await;
    Ok(())
}
