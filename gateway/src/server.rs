//! The gateway from its settings to its end.

use std::sync::Arc;

use axum::{Router, routing::get};
use octet_runtime::{
    admin::{self, Readiness},
    drain::Drain,
    listen::BindError,
    metrics::{GrpcMetrics, Metrics},
    serve::{ServeLimits, serve},
    telemetry::{Telemetry, Tracer},
    upstream::Upstream,
};
use prost_reflect::DescriptorPool;

use crate::{
    edge, health, metrics as own_metrics, page,
    rest::{self, Rest},
    settings::GatewaySettings,
    traces,
    transcode::Routes,
};

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port that cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The program is wired wrongly; a test would have seen it.
    #[error(transparent)]
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl StartError {
    fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }
}

/// Runs the gateway until it has drained.
///
/// # Errors
/// [`StartError`], before anything is served.
pub async fn run(settings: GatewaySettings, drain: Drain) -> Result<(), StartError> {
    let ports = settings.process.bind().await?;
    let grace = settings.process.drain.grace;
    let metrics = Metrics::new("gateway").map_err(StartError::internal)?;
    let local = ports.main.local_addr().ok();
    let telemetry = Telemetry::start(&settings.process.telemetry, "gateway", local, &metrics)
        .map_err(StartError::internal)?;
    let router = router(&settings, &metrics, telemetry.tracer())?;
    ports.log_serving();

    let readiness = Readiness::new(drain.clone(), Vec::new());
    let admin = tokio::spawn(admin::serve(ports.admin, readiness, metrics, settings.process.log_control()));
    serve(ports.main, router, ServeLimits::default(), &drain, grace).await;
    // Last, when nothing makes spans any more; the admin server shows what became of them.
    telemetry.flush(grace, &drain).await;
    admin.abort();
    tracing::info!("drained");
    Ok(())
}

fn router(settings: &GatewaySettings, metrics: &Metrics, tracer: Tracer) -> Result<Router, StartError> {
    let entry = &settings.topology.entry().name;
    let client = GrpcMetrics::client(metrics).map_err(StartError::internal)?;
    let entry = Upstream::new(entry.as_str(), &settings.entry, settings.process.upstream, &client)
        .map_err(StartError::internal)?;
    let pool = DescriptorPool::decode(octet_proto::DESCRIPTOR_SET).map_err(StartError::internal)?;
    let routes = Routes::from_pool(&pool).map_err(StartError::internal)?;
    let topology = serde_json::to_vec(&settings.topology).map_err(StartError::internal)?;
    let seconds = edge::metrics(metrics).map_err(StartError::internal)?;

    let rest = Arc::new(Rest {
        routes,
        pool,
        entry: entry.clone(),
        propagation: settings.process.propagation.clone(),
        admission: settings.process.admission.clone(),
        tracer,
    });
    let router = Router::new()
        .merge(page::router())
        .merge(health::router(entry))
        .merge(own_metrics::router(metrics.clone()))
        .merge(traces::router(settings.traces.clone()))
        .route("/api/topology", get(async || edge::json(topology)))
        .fallback(move |request| rest::answer(rest.clone(), request))
        .method_not_allowed_fallback(edge::method_not_allowed)
        // Outermost: whatever was asked and whoever answers, it has an id and a line in the log.
        .layer(axum::middleware::from_fn(move |request, next| edge::observe(seconds.clone(), request, next)));
    Ok(router)
}
