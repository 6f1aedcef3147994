//! Runs the gateway, from its settings to its drain.

use std::sync::Arc;

use axum::{Router, extract::Request, middleware::from_fn, response::Response, routing::get};
use octet_runtime::{
    admin::Readiness,
    drain::Drain,
    metrics::{GrpcMetrics, HttpMetrics, Metrics},
    process::{Ports, Process, StartError},
    serve::Plain,
    telemetry::Tracer,
    upstream::Upstream,
};
use prost_reflect::DescriptorPool;

use crate::{
    dispatch::Dispatcher,
    docs,
    edge::{self, Route},
    endpoints::{echo, health, metrics as own_metrics, status},
    entry::Entry,
    grpc::{self, Grpc, Own},
    openapi,
    rest::{self, Rest},
    settings::GatewaySettings,
    traces,
    transcode::Routes,
    ui,
};

/// Runs the gateway until it has drained.
///
/// # Errors
/// [`StartError`], before anything is served.
pub async fn run(settings: GatewaySettings, drain: Drain) -> Result<(), StartError> {
    let ports = settings.process.bind().await?;
    serve_on(ports, settings, drain).await
}

/// As [`run`], on ports that the caller has bound.
///
/// # Errors
/// [`StartError`], before anything is served.
pub async fn serve_on(ports: Ports, settings: GatewaySettings, drain: Drain) -> Result<(), StartError> {
    let process = Process::start(ports, &settings.process, "gateway", drain)?;
    let pool = DescriptorPool::decode(settings.descriptors.as_ref()).map_err(StartError::internal)?;
    let own = Own::new(&pool, &settings.descriptors).await.map_err(StartError::internal)?;
    let dispatcher = dispatcher(&settings, process.metrics(), process.tracer(), pool, &own)?;

    let readiness = Readiness::new(process.drain().clone(), Vec::new());
    let health = tokio::spawn(own.follow(process.drain().clone()));
    let service = tower::service_fn(move |request| dispatcher.clone().answer(request));
    let (limits, finish) = (settings.limits.serve, async move { health.abort() });
    match settings.tls {
        None => process.serve(readiness, Plain, service, limits, finish).await,
        Some(tls) => process.serve(readiness, tls, service, limits, finish).await,
    }
    Ok(())
}

fn dispatcher(
    settings: &GatewaySettings,
    metrics: &Metrics,
    tracer: Tracer,
    pool: DescriptorPool,
    own: &Own,
) -> Result<Arc<Dispatcher>, StartError> {
    let entry = &settings.topology.entry().name;
    let client = GrpcMetrics::client(metrics).map_err(StartError::internal)?;
    let upstream = Upstream::new(entry.as_str(), &settings.entry, settings.process.upstream, &client)
        .map_err(StartError::internal)?;
    let entry = Entry { upstream, propagation: settings.process.propagation.clone() };
    let grpc = Grpc::new(grpc::Shared {
        rpcs: grpc::rpcs(&pool),
        own: own.routes.clone(),
        entry: entry.clone(),
        admission: settings.process.admission.clone(),
        limits: settings.limits,
        tracer: tracer.clone(),
        metrics: GrpcMetrics::server(metrics).map_err(StartError::internal)?,
    });
    let rest = Rest {
        routes: Routes::from_pool(&pool).map_err(StartError::internal)?,
        pool,
        entry,
        admission: settings.process.admission.clone(),
        limits: settings.limits,
        tracer,
        scheme: settings.scheme(),
    };
    Ok(Arc::new(Dispatcher {
        requests: HttpMetrics::server(metrics).map_err(StartError::internal)?,
        proxies: settings.proxies.clone(),
        origins: settings.origins.clone(),
        router: router(settings, metrics, Arc::new(rest))?,
        grpc,
    }))
}

fn router(settings: &GatewaySettings, metrics: &Metrics, rest: Arc<Rest>) -> Result<Router, StartError> {
    let document = openapi::document(&rest.pool, &rest.routes).map_err(StartError::internal)?;
    let topology = serde_json::to_vec(&settings.topology).map_err(StartError::internal)?;
    let router = Router::new()
        .merge(ui::router(settings.api.as_ref()))
        .merge(docs::router(&document))
        .merge(health::router(rest.entry.upstream.clone()))
        .merge(own_metrics::router(metrics.clone()))
        .merge(echo::router(settings.process.admission.clone(), settings.limits))
        .merge(status::router())
        .merge(traces::router(settings.traces.clone()))
        .route("/api/topology", get(async || edge::json(topology)))
        .route_layer(from_fn(Route::copy_to_response))
        .fallback(move |request| rest::answer(rest.clone(), request))
        .method_not_allowed_fallback(method_not_allowed);
    Ok(router)
}

/// The router adds `Allow` after this.
async fn method_not_allowed(request: Request) -> Response {
    let mut response = edge::not_allowed(request.method(), request.uri().path(), None);
    response.extensions_mut().insert(Route::of(&request));
    response
}
