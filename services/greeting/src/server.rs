//! One service, from its settings to its shutdown.

use std::sync::Arc;

use octet_backends::{OpenError, queue::Consumer, store::DocumentStore};
use octet_health::Statuses;
use octet_proto::greeting::v3::greeting_service_server::GreetingServiceServer;
use octet_runtime::{
    admin::{Probe, Readiness},
    compression,
    drain::Drain,
    faults::Faults,
    identity,
    metrics::{GrpcMetrics, Metrics},
    process::{Ports, Process, StartError},
    reflection,
    serve::{Plain, RequestBody, ServeLimits, refuse_other_than_grpc},
    telemetry::{SpanKind, Tracer},
    upstream::{Callers, Upstream, UpstreamMetrics},
};
use tonic::service::Routes;
use tower::{Service, ServiceExt};

use crate::{
    body,
    calls::{self, Called},
    conduct::Conduct,
    connections::Connections,
    consume::Consume,
    faulty,
    greeter::{Greeter, Role},
    grpc::GrpcService,
    health, metadata_limit,
    observed::{ConsumerMetrics, ObservedPublisher, ObservedStore, QueueAttributes, StoreAttributes},
    rpc::GREETING_SERVICE,
    settings::{MAX_ANSWER, ServiceSettings},
    streams::Streams,
    upstreams::Upstreams,
    watch::Watch,
};

/// Runs one service until it has drained.
///
/// # Errors
/// [`StartError`], before anything is served.
pub async fn run(settings: ServiceSettings, drain: Drain) -> Result<(), StartError> {
    let ports = settings.process.bind().await?;
    run_on(ports, settings, drain).await
}

/// As [`run`], on ports that the caller has bound.
///
/// # Errors
/// [`StartError`], before anything is served.
pub async fn run_on(ports: Ports, settings: ServiceSettings, drain: Drain) -> Result<(), StartError> {
    let name = settings.service.name.to_string();
    let mut process = Process::start(ports, &settings.process, &name, drain)?;
    let faults = settings.faults(process.metrics()).map_err(StartError::internal)?;
    process.serve_faults(&faults);
    let parts = Parts::open(&settings, &faults, process.metrics(), &process.tracer()).await?;

    let (drain, grace) = (process.drain().clone(), settings.process.drain.grace);
    let readiness = Readiness::new(drain.clone(), parts.probes);
    let names = health::Names::new(&name);
    let statuses = health::statuses(&names);
    let [gzip, deflate] = compression::ENCODINGS;
    let greeting = GreetingServiceServer::new(parts.grpc)
        .max_decoding_message_size(settings.max_request)
        .max_encoding_message_size(MAX_ANSWER)
        .accept_compressed(gzip)
        .accept_compressed(deflate);
    let compressing = greeting.clone().send_compressed(gzip).send_compressed(deflate);
    let others = others(&statuses)?;

    let (ending, max_request) = (drain.clone(), settings.max_request);
    let streams = Streams::default();
    let service = tower::service_fn(move |request: http::Request<RequestBody>| {
        let greeting = if compression::is_used(request.headers()) { &compressing } else { &greeting };
        let (mut greeting, others, streams) = (greeting.clone(), others.clone(), streams.clone());
        let refusal = refuse_other_than_grpc(&request);
        let request = body::bounded(request, &ending, max_request);
        async move {
            if let Some(refusal) = refusal {
                return Ok(refusal);
            }
            match metadata_limit::check(request) {
                // Metadata beyond the limit is refused before it is parsed.
                Err(refusal) => Ok(*refusal),
                // Bypasses the router, whose matching and boxing cost as much as the rest of the request's path.
                Ok(request) if request.uri().path().starts_with(GREETING_SERVICE) => {
                    let response = greeting.call(request).await?;
                    Ok(faulty::response(response))
                }
                Ok(request) => match streams.open(&request) {
                    Ok(stream) => Ok(stream.hold(Box::pin(others.oneshot(request)).await?)),
                    Err(refusal) => Ok(refusal.into_http()),
                },
            }
        }
    });

    let health = tokio::spawn(health::follow(statuses, names, readiness.clone(), drain.clone()));
    let watch = tokio::spawn(parts.watch.run());
    let (stop_consuming, stopped) = tokio::sync::oneshot::channel::<()>();
    let consuming = parts.consume.map(|consume| {
        tokio::spawn(consume.run(async move {
            // A dropped sender means the same.
            let _ = stopped.await;
        }))
    });
    let finish = async move {
        drop(stop_consuming);
        if let Some(consuming) = consuming {
            tokio::select! {
                finished = tokio::time::timeout(grace, consuming) => if finished.is_err() {
                    tracing::warn!(?grace, "grace period expired; returning held messages to the queue");
                },
                () = drain.forced() => {}
            }
        }
        health.abort();
        watch.abort();
    };
    process.serve(readiness, Plain, service, ServeLimits::default(), finish).await;
    Ok(())
}

/// The opened parts of the service's role.
struct Parts {
    grpc: GrpcService,
    consume: Option<Consume>,
    probes: Vec<Probe>,
    watch: Watch,
}

impl Parts {
    async fn open(
        settings: &ServiceSettings,
        faults: &Faults,
        metrics: &Metrics,
        tracer: &Tracer,
    ) -> Result<Self, StartError> {
        let mut probes = vec![Probe::new("fault", faults.clone(), |faults| async move {
            if faults.is_unready() { Err("injected: unready") } else { Ok(()) }
        })];
        if let Some(after) = settings.service.behaviour.ready_after {
            let ready = tokio::time::Instant::now() + after;
            probes.push(Probe::new("ready_after", ready, |ready| async move {
                let has_passed = tokio::time::Instant::now() >= ready;
                if has_passed { Ok(()) } else { Err("the service is not ready yet, by its ready_after") }
            }));
        }
        let mut watch = Watch::default();
        let service = &settings.service;
        let Connections { store: stores, queue: queues } = &settings.connections;
        let at_store = |error: OpenError| StartError::configuration(stores.variable(), error);
        let at_queue = |error: OpenError| StartError::configuration(queues.variable(), error);

        let mut store: Option<Arc<dyn DocumentStore>> = None;
        if let Some(collection) = &service.store {
            let opened = stores.open(collection).await.map_err(at_store)?;
            probes.push(Probe::new("store", opened.clone(), |store| async move { store.ping().await }));
            watch.store(opened.clone(), metrics).map_err(StartError::internal)?;
            let attributes = StoreAttributes {
                system: stores.system(),
                store: collection.clone(),
                server: stores.server(),
            };
            let observed = ObservedStore::new(opened, &attributes, metrics).map_err(StartError::internal)?;
            store = Some(Arc::new(observed));
        }
        let mut publisher = None;
        if let Some(queue) = &service.publishes {
            let opened = queues.publisher(queue).await.map_err(at_queue)?;
            probes.push(Probe::new(
                "queue",
                opened.clone(),
                |publisher| async move { publisher.ping().await },
            ));
            watch.publisher(opened.clone(), metrics).map_err(StartError::internal)?;
            let attributes =
                QueueAttributes { system: queues.system(), queue: queue.clone(), server: queues.server() };
            let observed =
                ObservedPublisher::new(opened, attributes, metrics).map_err(StartError::internal)?;
            publisher = Some(Arc::new(observed) as _);
        }
        let mut consume = None;
        if let (Some(queue), Some(store)) = (&service.consumes, &store) {
            let consumer = queues.consumer(queue).await.map_err(at_queue)?;
            let pinged: Arc<dyn Consumer> = consumer.clone();
            probes.push(Probe::new("queue", pinged, |consumer| async move { consumer.ping().await }));
            let inspect = queues.inspect(queue).await.map_err(at_queue)?;
            watch.consumer(consumer.clone(), inspect, metrics).map_err(StartError::internal)?;
            let metrics = ConsumerMetrics::new(metrics).map_err(StartError::internal)?;
            let attributes =
                QueueAttributes { system: queues.system(), queue: queue.clone(), server: queues.server() };
            let (tracer, faults) = (tracer.clone(), faults.clone());
            let shape = attributes.shape(SpanKind::Consumer, "process");
            let store = store.clone();
            consume = Some(Consume { consumer, store, metrics, tracer, attributes, shape, faults });
        }

        let greeter = Greeter {
            role: Role {
                service: service.name.to_string(),
                greeting: service.greeting.to_string(),
                hostname: identity::hostname(),
            },
            store,
            publisher,
            upstreams: upstreams(settings, faults, metrics)?,
            faults: faults.clone(),
        };
        let conduct =
            Conduct::new(&service.behaviour, faults.clone(), metrics).map_err(StartError::internal)?;
        let grpc = GrpcService {
            greeter: Arc::new(greeter),
            conduct: Arc::new(conduct),
            numbers_calls: calls::are_numbered(&settings.topology),
            callers: callers(settings),
            propagation: settings.process.propagation.clone(),
            admission: settings.process.admission.clone(),
            metrics: GrpcMetrics::server(metrics).map_err(StartError::internal)?,
            tracer: tracer.clone(),
        };
        Ok(Self { grpc, consume, probes, watch })
    }
}

fn upstreams(
    settings: &ServiceSettings,
    faults: &Faults,
    metrics: &Metrics,
) -> Result<Upstreams, StartError> {
    let client = UpstreamMetrics::new(metrics).map_err(StartError::internal)?;
    let (topology, own) = (&settings.topology, settings.service.name.as_str());
    let caller = settings.process.telemetry.service_name(own);
    let called = settings.upstreams.iter().map(|(name, address)| {
        let upstream = Upstream::new(name.as_str(), caller, address, settings.process.upstream, &client);
        let edge = topology.edge(own, name.as_str());
        let upstream = upstream.with_policy(calls::policy(&edge)).with_faults(faults);
        Called::new(topology, name.clone(), upstream, &edge)
    });
    let called = called.collect();
    let steps = settings.service.steps.iter().map(Vec::len).collect();
    Ok(Upstreams::new(topology.clone(), &settings.service, called, steps, faults.clone()))
}

/// The services that call this one; the gateway calls the entry.
fn callers(settings: &ServiceSettings) -> Callers {
    let (topology, own) = (&settings.topology, &settings.service.name);
    let services = topology.edges().filter(|(_, upstream)| *upstream == own);
    let gateway = (topology.entry().name == *own).then_some(identity::GATEWAY);
    Callers::new(services.map(|(caller, _)| caller.as_str()).chain(gateway))
}

/// The other services of the gRPC port: health, and reflection in both versions that clients use.
fn others(statuses: &Statuses) -> Result<Routes, StartError> {
    let descriptors = [octet_proto::DESCRIPTOR_SET, octet_proto::HEALTH_DESCRIPTOR_SET];
    let mut routes = Routes::builder();
    routes.add_service(statuses.service());
    reflection::add_services(&mut routes, &descriptors).map_err(StartError::internal)?;
    Ok(routes.routes().prepare())
}
