//! An Envoy for one test: an ingress or a service's sidecar, as Istio configures them.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use serde_json::{Value, json};

use crate::lifeline::{Lifeline, Process};
use crate::{ports, program, ready};

const MISSING: &str = "envoy is not installed: run `make tools`";

/// A proxy's name, listeners and clusters.
pub struct EnvoyBuilder {
    name: String,
    tracer: Tracer,
    listeners: Vec<Value>,
    clusters: Vec<Value>,
}

/// Where a proxy reports its spans, and in which headers it propagates a trace.
#[derive(Debug, Clone, Copy)]
pub enum Tracer {
    /// To a Zipkin, with B3, as in Istio.
    Zipkin(SocketAddr),
    /// To a receiver of OTLP over gRPC, with W3C's headers.
    OpenTelemetry(SocketAddr),
}

/// Envoy with listeners on 127.0.0.1. It makes a span of each request, reports it and propagates the trace.
///
/// Dropping it kills it; it dies with the test process in any case.
pub struct Envoy {
    // Killed before its directory goes.
    _server: Process,
    _lifeline: Lifeline,
}

impl Envoy {
    /// A proxy with the service name `name`.
    pub fn builder(name: &str, tracer: Tracer) -> EnvoyBuilder {
        let clusters = vec![match tracer {
            Tracer::Zipkin(zipkin) => cluster("traces", zipkin),
            Tracer::OpenTelemetry(receiver) => grpc_cluster("traces", receiver),
        }];
        EnvoyBuilder { name: name.to_owned(), tracer, listeners: Vec::new(), clusters }
    }
}

/// A listener's direction.
enum Direction<'a> {
    /// From clients into the mesh. Their pages are at `origin`.
    Ingress { origin: &'a str },
    /// From other proxies to the service.
    Inbound,
    /// From the service to another service's proxy.
    Outbound,
}

impl Direction<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Inbound => "INBOUND",
            // As in Istio's gateways: they call the mesh and are not part of it.
            Self::Ingress { .. } | Self::Outbound => "OUTBOUND",
        }
    }

    /// The filters' configuration for all hosts.
    fn filters(&self) -> Value {
        let Self::Ingress { origin } = self else { return json!({}) };
        json!({ "envoy.filters.http.cors": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
            "allow_origin_string_match": [{ "exact": origin }],
            "allow_methods": "GET",
            "allow_headers": "x-request-id",
            "expose_headers": "x-request-id",
            "max_age": "600",
            "allow_credentials": true,
        } })
    }
}

impl EnvoyBuilder {
    /// Adds the listener for clients. It sets request ids, and answers CORS preflights from `origin`.
    #[must_use]
    pub fn ingress(self, at: SocketAddr, to: (&str, SocketAddr), origin: &str) -> Self {
        self.listener(at, to, &Direction::Ingress { origin })
    }

    /// Adds a listener for other proxies, which forwards to the service.
    #[must_use]
    pub fn inbound(self, at: SocketAddr, to: (&str, SocketAddr)) -> Self {
        self.listener(at, to, &Direction::Inbound)
    }

    /// Adds a listener for the service, which forwards to another service's proxy.
    #[must_use]
    pub fn outbound(self, at: SocketAddr, to: (&str, SocketAddr)) -> Self {
        self.listener(at, to, &Direction::Outbound)
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// With a sentence if it is not installed; with the end of its log if it does not start, for example because a port is
    /// in use.
    pub async fn start(self) -> Envoy {
        let lifeline = Lifeline::new("envoy");
        let admin = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), ports::free_port());
        let configuration = json!({
            "node": { "id": self.name, "cluster": self.name },
            "admin": { "address": address(admin) },
            "static_resources": { "listeners": self.listeners, "clusters": self.clusters },
            // Report spans at once: the test waits for them.
            "layered_runtime": { "layers": [{ "name": "test", "static_layer": {
                "tracing.zipkin.min_flush_spans": 1,
                "tracing.zipkin.flush_interval_ms": 100,
                "tracing.opentelemetry.min_flush_spans": 1,
                "tracing.opentelemetry.flush_interval_ms": 100,
            } }] },
        });
        let file = lifeline.directory().join("envoy.json");
        std::fs::write(&file, configuration.to_string()).expect("a file can be written");
        let log = lifeline.directory().join("envoy.log");
        let installed = program::tool("bin/envoy").or_else(|| program::on_path("envoy"));
        let mut command = Command::new(installed.expect(MISSING));
        command.arg("--config-path").arg(&file).args([
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "--log-level",
            "warning",
        ]);
        let mut server = lifeline.spawn(&mut command, &log).expect("envoy can be started");
        ready::wait(&format!("envoy as {}", self.name), &mut server, &log, async || {
            ready::is_ok(admin, "/ready").await
        })
        .await;
        Envoy { _server: server, _lifeline: lifeline }
    }

    fn listener(mut self, at: SocketAddr, (name, to): (&str, SocketAddr), direction: &Direction) -> Self {
        let filter = json!({
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": self.manager(name, direction),
        });
        self.listeners.push(json!({
            "name": format!("{} {name}", direction.name()),
            "traffic_direction": direction.name(),
            "address": address(at),
            "filter_chains": [{ "filters": [filter] }],
        }));
        self.clusters.push(cluster(name, to));
        self
    }

    fn provider(&self) -> Value {
        match self.tracer {
            Tracer::Zipkin(_) => json!({ "name": "envoy.tracers.zipkin", "typed_config": {
                "@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
                "collector_cluster": "traces",
                "collector_endpoint": "/api/v2/spans",
                "collector_endpoint_version": "HTTP_JSON",
                "trace_id_128bit": true,
                "shared_span_context": false,
            } }),
            Tracer::OpenTelemetry(_) => json!({ "name": "envoy.tracers.opentelemetry", "typed_config": {
                "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                "grpc_service": { "envoy_grpc": { "cluster_name": "traces" }, "timeout": "5s" },
                "service_name": self.name,
            } }),
        }
    }

    /// The filter that accepts HTTP/1.1 and HTTP/2, makes a span of each request, and forwards it.
    fn manager(&self, to: &str, direction: &Direction) -> Value {
        let filter = |name: &str, kind: &str| {
            json!({
                "name": format!("envoy.filters.http.{name}"),
                "typed_config": { "@type": format!("type.googleapis.com/envoy.extensions.filters.http.{name}.v3.{kind}") },
            })
        };
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": self.name,
            "use_remote_address": matches!(direction, Direction::Ingress { .. }),
            "tracing": {
                "random_sampling": { "value": 100.0 },
                "provider": self.provider(),
            },
            "route_config": { "virtual_hosts": [{
                "name": to,
                "domains": ["*"],
                "typed_per_filter_config": direction.filters(),
                "routes": [{
                    "match": { "prefix": "/" },
                    // The platform has its own deadlines.
                    "route": { "cluster": to, "timeout": "0s" },
                    "decorator": { "operation": to, "propagate": false },
                }],
            }] },
            "http_filters": [filter("cors", "Cors"), filter("router", "Router")],
        })
    }
}

/// A cluster of one address that speaks HTTP/2.
fn grpc_cluster(name: &str, to: SocketAddr) -> Value {
    cluster_of(name, to, &json!({ "explicit_http_config": { "http2_protocol_options": {} } }))
}

/// A cluster of one address, with the HTTP version of the request, as with Istio's `useClientProtocol`.
fn cluster(name: &str, to: SocketAddr) -> Value {
    let both = json!({ "http_protocol_options": {}, "http2_protocol_options": {} });
    cluster_of(name, to, &json!({ "use_downstream_protocol_config": both }))
}

fn cluster_of(name: &str, to: SocketAddr, protocol: &Value) -> Value {
    const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let mut options = json!({ "@type": format!("type.googleapis.com/{OPTIONS}") });
    if let (Some(options), Some(protocol)) = (options.as_object_mut(), protocol.as_object()) {
        options.extend(protocol.clone());
    }
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "typed_extension_protocol_options": { OPTIONS: options },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(to) } }] }],
        },
    })
}

fn address(socket: SocketAddr) -> Value {
    json!({ "socket_address": { "address": socket.ip().to_string(), "port_value": socket.port() } })
}
