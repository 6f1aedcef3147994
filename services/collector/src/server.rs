//! The collector, from its settings to its shutdown.

use octet_runtime::{
    admin::Readiness,
    drain::Drain,
    process::{Process, StartError},
    serve::{Plain, ServeLimits, serve},
};
use tokio::net::TcpListener;

use crate::{
    http::{self, Collector},
    settings::{CollectorPorts, CollectorSettings},
    store::Store,
};

/// Runs the collector until it has drained.
///
/// # Errors
/// [`StartError`], before anything is served.
pub async fn run(settings: CollectorSettings, drain: Drain) -> Result<(), StartError> {
    let ports = settings.bind().await?;
    run_on(ports, settings, drain).await
}

/// As [`run`], on ports that the caller has bound.
///
/// # Errors
/// [`StartError`], before anything is served.
pub async fn run_on(
    ports: CollectorPorts,
    settings: CollectorSettings,
    drain: Drain,
) -> Result<(), StartError> {
    let CollectorPorts { process: ports, otlp_grpc, otlp_http } = ports;
    let process = Process::start(ports, &settings.process, "collector", drain)?;
    let store = Store::new(settings.memory);
    let admission = settings.process.admission.clone();
    let collector = Collector::new(store, settings.process.hosts, admission, process.metrics())
        .map_err(StartError::internal)?;
    let readiness = Readiness::new(process.drain().clone(), Vec::new());
    let grace = settings.process.drain.grace;
    let address =
        |listener: &TcpListener| listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
    tracing::info!(grpc = address(&otlp_grpc), http = address(&otlp_http), "serving OTLP");
    let otlp = [otlp_grpc, otlp_http].map(|listener| {
        let (routes, drain) = (http::otlp_router(collector.clone()), process.drain().clone());
        tokio::spawn(async move { serve(listener, routes, ServeLimits::default(), &drain, grace).await })
    });
    let others = async {
        for server in otlp {
            if let Err(error) = server.await {
                tracing::error!(%error, "OTLP's server ended early");
            }
        }
    };
    process.serve(readiness, Plain, http::router(collector), ServeLimits::default(), others).await;
    Ok(())
}
