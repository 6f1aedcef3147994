//! An Envoy of a test's own: an ingress or a service's sidecar, as Istio sets them up.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use serde_json::{Value, json};

use crate::lifeline::{Lifeline, Process};
use crate::{ports, program, ready};

const MISSING: &str = "envoy is not installed: run `make tools`";

/// A proxy to be: what its spans call it, and its listeners.
pub struct EnvoyBuilder {
    name: String,
    listeners: Vec<Value>,
    clusters: Vec<Value>,
}

/// Envoy on listeners of 127.0.0.1. It reports every request by its Zipkin tracer and passes B3 on, each proxy as a span
/// of its own, as Istio has it.
///
/// Dropping it kills it; it dies with the test process in any case.
pub struct Envoy {
    // Killed before its directory goes.
    _server: Process,
    _lifeline: Lifeline,
}

impl Envoy {
    /// A proxy whose spans are `name`'s, reported to the Zipkin at `zipkin`.
    pub fn builder(name: &str, zipkin: SocketAddr) -> EnvoyBuilder {
        let clusters = vec![cluster("zipkin", zipkin)];
        EnvoyBuilder { name: name.to_owned(), listeners: Vec::new(), clusters }
    }
}

/// What a listener is for.
enum Way<'a> {
    /// From clients, whose pages are at `origin`.
    IntoMesh { origin: &'a str },
    /// From other proxies to the service itself.
    In,
    /// From the service to another's proxy.
    Out,
}

impl Way<'_> {
    fn direction(&self) -> &'static str {
        match self {
            Self::In => "INBOUND",
            // As Istio's gateways have it: they call the mesh, and are no service of it.
            Self::IntoMesh { .. } | Self::Out => "OUTBOUND",
        }
    }

    /// What the filters are told for all hosts.
    fn filters(&self) -> Value {
        let Self::IntoMesh { origin } = self else { return json!({}) };
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
    /// The way into the mesh: it gives requests their ids, and answers preflights from `origin` itself.
    #[must_use]
    pub fn ingress(self, at: SocketAddr, to: (&str, SocketAddr), origin: &str) -> Self {
        self.listener(at, to, &Way::IntoMesh { origin })
    }

    /// From other proxies to the service itself.
    #[must_use]
    pub fn inbound(self, at: SocketAddr, to: (&str, SocketAddr)) -> Self {
        self.listener(at, to, &Way::In)
    }

    /// From the service to another's proxy.
    #[must_use]
    pub fn outbound(self, at: SocketAddr, to: (&str, SocketAddr)) -> Self {
        self.listener(at, to, &Way::Out)
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// With one sentence where it is not installed; with the end of its log where it does not start, which is also
    /// where a port that is taken shows.
    pub async fn start(self) -> Envoy {
        let lifeline = Lifeline::new("envoy");
        let admin = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), ports::free_port());
        let configuration = json!({
            "node": { "id": self.name, "cluster": self.name },
            "admin": { "address": address(admin) },
            "static_resources": { "listeners": self.listeners, "clusters": self.clusters },
            // Reported at once: somebody waits to see the trace.
            "layered_runtime": { "layers": [{ "name": "test", "static_layer": {
                "tracing.zipkin.min_flush_spans": 1,
                "tracing.zipkin.flush_interval_ms": 100,
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

    fn listener(mut self, at: SocketAddr, (name, to): (&str, SocketAddr), way: &Way) -> Self {
        let direction = way.direction();
        let filter = json!({
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": self.manager(name, way),
        });
        self.listeners.push(json!({
            "name": format!("{direction} {name}"),
            "traffic_direction": direction,
            "address": address(at),
            "filter_chains": [{ "filters": [filter] }],
        }));
        self.clusters.push(cluster(name, to));
        self
    }

    /// What takes HTTP/1.1 and HTTP/2, makes a span of each request, and passes it on.
    fn manager(&self, to: &str, way: &Way) -> Value {
        let filter = |name: &str, kind: &str| {
            json!({
                "name": format!("envoy.filters.http.{name}"),
                "typed_config": { "@type": format!("type.googleapis.com/envoy.extensions.filters.http.{name}.v3.{kind}") },
            })
        };
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": self.name,
            "use_remote_address": matches!(way, Way::IntoMesh { .. }),
            "tracing": {
                "random_sampling": { "value": 100.0 },
                "provider": { "name": "envoy.tracers.zipkin", "typed_config": {
                    "@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
                    "collector_cluster": "zipkin",
                    "collector_endpoint": "/api/v2/spans",
                    "collector_endpoint_version": "HTTP_JSON",
                    "trace_id_128bit": true,
                    "shared_span_context": false,
                } },
            },
            "route_config": { "virtual_hosts": [{
                "name": to,
                "domains": ["*"],
                "typed_per_filter_config": way.filters(),
                "routes": [{
                    "match": { "prefix": "/" },
                    // Deadlines are the platform's own.
                    "route": { "cluster": to, "timeout": "0s" },
                    "decorator": { "operation": to, "propagate": false },
                }],
            }] },
            "http_filters": [filter("cors", "Cors"), filter("router", "Router")],
        })
    }
}

/// One address, spoken to in the HTTP version of whoever asks, as Istio's `useClientProtocol` has it.
fn cluster(name: &str, to: SocketAddr) -> Value {
    let options = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "use_downstream_protocol_config": { "http_protocol_options": {}, "http2_protocol_options": {} },
    });
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(to) } }] }],
        },
    })
}

fn address(socket: SocketAddr) -> Value {
    json!({ "socket_address": { "address": socket.ip().to_string(), "port_value": socket.port() } })
}
