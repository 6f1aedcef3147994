//! Runs the gateway, from its settings to its drain.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
    routing::get,
};
use octet_runtime::{
    admin::Readiness,
    drain::Drain,
    faults::Faults,
    identity::GATEWAY,
    metrics::{GrpcMetrics, HttpMetrics, Metrics},
    process::{Ports, Process, StartError},
    serve::Plain,
    telemetry::Tracer,
    upstream::{Balance, CallPolicy, Upstream, UpstreamMetrics},
};
use octet_topology::Retry;
use prost_reflect::DescriptorPool;

use crate::{
    admit::{Admit, Caller, Shares, Turns},
    backlog::{Backlog, Budget},
    dispatch::Dispatcher,
    docs,
    edge::{self, Labels},
    endpoints::{echo, health, metrics as own_metrics, status},
    entry::{Entry, Names},
    faults::FaultApi,
    grpc::{self, Grpc, Own, OwnServices},
    openapi, processes,
    rest::{self, Rest},
    runs::{Load, Runs, Scenarios, Stage, Target},
    settings::GatewaySettings,
    traces,
    transcode::Routes,
    ui,
};

/// Concurrent requests for the gateway's own pages and endpoints.
const MAX_PAGES: usize = 64;

/// The part of the permits whose calls may be with the services at once for one client while others call too: as many as
/// keep two cores busy, by default.
const TURNS: usize = 16;

/// Request bodies that arrive at the same time.
const MAX_UPLOADS: usize = 1024;

/// Responses over 16 KiB that are being read at the same time.
const MAX_RESPONSES: usize = 4096;

/// What request bodies may occupy before slow clients lose theirs, and what responses may.
const UPLOAD_BYTES: usize = 32 * 1024 * 1024;
const RESPONSE_BYTES: usize = 16 * 1024 * 1024;

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
    let address = ports.main.local_addr().ok();
    let mut process = Process::start(ports, &settings.process, GATEWAY, drain)?;
    let faults = settings.faults(process.metrics()).map_err(StartError::internal)?;
    process.serve_faults(&faults);
    let pool = DescriptorPool::decode(settings.descriptors.as_ref()).map_err(StartError::internal)?;
    let own = Own::new(&pool, &settings.descriptors).map_err(StartError::internal)?;
    let bodies = bodies(&settings);
    let target =
        Target::new(settings.run_program.clone(), settings.scheme(), address, settings.scenario_data.clone());
    let stage = Stage::new(target, process.drain().clone(), settings.limits, bodies.clone());
    let (metrics, tracer) = (process.metrics(), process.tracer());
    let dispatcher = dispatcher(&settings, &faults, (metrics, tracer), pool, &own, bodies, stage)?;

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

/// What request bodies may occupy before slow clients lose theirs.
fn upload_bytes(settings: &GatewaySettings) -> usize {
    UPLOAD_BYTES.max(8 * settings.limits.body_bytes)
}

/// The budget of request bodies.
fn bodies(settings: &GatewaySettings) -> Backlog {
    let bytes = upload_bytes(settings);
    Backlog::new(Budget { transfers: MAX_UPLOADS, bytes, max_bytes: 3 * bytes })
}

fn dispatcher(
    settings: &GatewaySettings,
    faults: &Faults,
    (metrics, tracer): (&Metrics, Tracer),
    pool: DescriptorPool,
    own: &Own,
    bodies: Backlog,
    stage: Stage,
) -> Result<Arc<Dispatcher>, StartError> {
    let entry = &settings.topology.entry().name;
    let client = UpstreamMetrics::new(metrics).map_err(StartError::internal)?;
    let (caller, connecting) = (settings.process.telemetry.service_name(GATEWAY), settings.process.upstream);
    let upstream = Upstream::new(entry.as_str(), caller, &settings.entry, connecting, &client);
    let edge = settings.topology.edge(GATEWAY, entry.as_str());
    let balance = edge.balance.and_then(|balance| Balance::named(balance.as_str()));
    let policy = CallPolicy::new(edge.deadline, balance, edge.retry.as_ref().map(Retry::parts));
    let upstream = upstream.with_policy(policy).with_faults(faults);
    let names = Names {
        entry: entry.to_string(),
        services: settings.topology.services().iter().map(|service| service.name.to_string()).collect(),
    };
    let propagation = settings.process.propagation.clone();
    let admission = &settings.process.admission;
    let turns = Turns::new((admission.max() / TURNS).max(1));
    let entry = Entry { upstream, names: Arc::new(names), propagation, faults: faults.clone(), turns };
    let bytes = upload_bytes(settings);
    let admit = Admit::new(admission, bytes);
    // At most half of the permits are held by calls that wait for their clients.
    let transfers = (admission.max() / 2).max(1);
    let unread = Backlog::new(Budget { transfers, bytes: RESPONSE_BYTES, max_bytes: 2 * RESPONSE_BYTES });
    let grpc = Grpc::new(grpc::Shared {
        bodies: bodies.clone(),
        unread: unread.clone(),
        rpcs: grpc::rpcs(&pool),
        own: OwnServices::new(own.routes.clone()),
        entry: entry.clone(),
        admit: admit.clone(),
        limits: settings.limits,
        tracer: tracer.clone(),
        metrics: GrpcMetrics::server(metrics).map_err(StartError::internal)?,
    });
    let rest = Rest {
        routes: Routes::from_pool(&pool).map_err(StartError::internal)?,
        pool,
        entry,
        admit,
        bodies,
        unread,
        limits: settings.limits,
        tracer,
        scheme: settings.scheme(),
    };
    Ok(Arc::new(Dispatcher {
        requests: HttpMetrics::server(metrics).map_err(StartError::internal)?,
        proxies: settings.proxies.clone(),
        origins: settings.origins.clone(),
        router: router(settings, metrics, Arc::new(rest), stage)?,
        grpc,
        responses: Backlog::new(Budget {
            transfers: MAX_RESPONSES,
            bytes: RESPONSE_BYTES,
            max_bytes: 2 * RESPONSE_BYTES,
        }),
        unread_timeout: settings.limits.body_timeout,
    }))
}

fn router(
    settings: &GatewaySettings,
    metrics: &Metrics,
    rest: Arc<Rest>,
    stage: Stage,
) -> Result<Router, StartError> {
    let faults = FaultApi::new(
        settings.processes.clone(),
        settings.process.access.clone(),
        settings.topology.clone(),
        settings.limits,
        rest.bodies.clone(),
    );
    let document = openapi::document(&rest.pool, &rest.routes).map_err(StartError::internal)?;
    let topology = serde_json::to_vec(&settings.topology).map_err(StartError::internal)?;
    let router = Router::new()
        .merge(ui::router(settings.api.as_ref()))
        .merge(docs::router(&document))
        .merge(health::router(rest.entry.upstream.clone()))
        .merge(own_metrics::router(metrics.clone()))
        .merge(status::router())
        .merge(traces::router(settings.traces.clone()))
        .merge(processes::router(settings.processes.clone()))
        .route("/api/topology", get(async || edge::json(topology)))
        .merge(Runs::new(Load, stage.clone()).router())
        .merge(Runs::new(Scenarios::default(), stage).router())
        .merge(faults.router())
        .route_layer(from_fn_with_state(Shares::new(MAX_PAGES), admitted))
        // Needs a permit of the calls', when its body has arrived.
        .merge(echo::router(rest.admit.clone(), settings.limits, rest.bodies.clone()))
        .route_layer(from_fn(Labels::record_route))
        .fallback(move |request| rest::answer(rest.clone(), request))
        .method_not_allowed_fallback(method_not_allowed);
    Ok(router)
}

/// The router adds `Allow` after this.
async fn method_not_allowed(request: Request) -> Response {
    Labels::record(&request);
    edge::not_allowed(request.method(), request.uri().path(), None)
}

/// Admits a request for a page or an endpoint of the gateway's own. They have permits of their own, so that they answer
/// while calls have all theirs.
async fn admitted(State(pages): State<Shares>, request: Request, next: Next) -> Response {
    match pages.take(Caller::of(request.extensions()), 1) {
        Ok(_permit) => next.run(request).await,
        Err(_) => edge::overloaded("too many concurrent requests for pages; try again later"),
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::StatusCode};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn requests_for_pages_have_a_limit_and_return_their_permits() {
        let pages = Shares::new(1);
        let router: Router = Router::new()
            .route("/quick", get(async || "done"))
            .route("/slow", get(std::future::pending::<String>))
            .route_layer(from_fn_with_state(pages.clone(), admitted));
        let get = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).expect("a request");
            router.clone().oneshot(request).await.expect("a response").status()
        };
        assert_eq!([get("/quick").await, get("/quick").await], [StatusCode::OK; 2]);
        let refused = async {
            while pages.free() > 0 {
                tokio::task::yield_now().await;
            }
            get("/quick").await
        };
        tokio::select! {
            _ = get("/slow") => panic!("it is pending"),
            status = refused => assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE),
        }
        assert_eq!(get("/quick").await, StatusCode::OK);
    }
}
