//! Behind real Envoys, as in Istio: an ingress, and a sidecar for each process through which it is called and calls.
//! Traces are complete whether Octet exports spans or propagates the headers of the sidecars.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
};

use http_body_util::Full;
use hyper::{Method, Request};
use octet_testbed::{Envoy, Tracer, eventually, free_port};
use octet_topology::Topology;
use serde_json::Value;

use crate::{
    client::{Client, Reply},
    platform::{Mesh, PROCESSES},
    zipkin::tree,
};

/// The origin that the ingress allows.
const ORIGIN: &str = "https://ui.example";

/// The spans of the sidecars alone: each call leaves one and enters another.
const SIDECARS: &str = "\
ingress CLIENT gateway
  gateway.mesh SERVER gateway
    gateway.mesh CLIENT service-a
      service-a.mesh SERVER service-a
        service-a.mesh CLIENT service-b
          service-b.mesh SERVER service-b
            service-b.mesh CLIENT service-d
              service-d.mesh SERVER service-d
            service-b.mesh CLIENT service-e
              service-e.mesh SERVER service-e
                service-e.mesh CLIENT service-g
                  service-g.mesh SERVER service-g
                service-e.mesh CLIENT service-h
                  service-h.mesh SERVER service-h
        service-a.mesh CLIENT service-c
          service-c.mesh SERVER service-c
";

/// With the spans of Octet: each server span below the sidecar that called it, each sidecar below the client span.
const BOTH: &str = "\
ingress CLIENT gateway
  gateway.mesh SERVER gateway
    gateway SERVER GET /api/greeting
      gateway CLIENT Greeting → service-a
        gateway.mesh CLIENT service-a
          service-a.mesh SERVER service-a
            service-a SERVER Greeting ← gateway
              service-a CLIENT Greeting → service-b
                service-a.mesh CLIENT service-b
                  service-b.mesh SERVER service-b
                    service-b SERVER Greeting ← service-a
                      service-b CLIENT Greeting → service-d
                        service-b.mesh CLIENT service-d
                          service-d.mesh SERVER service-d
                            service-d SERVER Greeting ← service-b
                              service-d PRODUCER send service-d.greeting → service-d.greeting
                                service-f CONSUMER process service-d.greeting → service-d.greeting
                                  service-f CLIENT insert messages → service-f.messages
                      service-b CLIENT Greeting → service-e
                        service-b.mesh CLIENT service-e
                          service-e.mesh SERVER service-e
                            service-e SERVER Greeting ← service-b
                              service-e CLIENT Greeting → service-g
                                service-e.mesh CLIENT service-g
                                  service-g.mesh SERVER service-g
                                    service-g SERVER Greeting ← service-e
                                      service-g CLIENT insert greetings → service-g.greetings
                              service-e CLIENT Greeting → service-h
                                service-e.mesh CLIENT service-h
                                  service-h.mesh SERVER service-h
                                    service-h SERVER Greeting ← service-e
                                      service-h CLIENT insert greetings → service-h.greetings
              service-a CLIENT Greeting → service-c
                service-a.mesh CLIENT service-c
                  service-c.mesh SERVER service-c
                    service-c SERVER Greeting ← service-a
                      service-c CLIENT insert greetings → service-c.greetings
";

/// A platform with a sidecar for each process that is called, and an ingress.
struct Proxied {
    mesh: Mesh,
    ingress: SocketAddr,
    _proxies: Vec<Envoy>,
}

impl Proxied {
    /// `tracer` is that of the sidecars, for the collector's address.
    async fn start(exporter: &str, tracer: fn(&Mesh) -> Tracer) -> Self {
        let topology = Topology::built_in().expect("valid");
        // In the built-in graph each service has up to one caller, so one address per service is enough.
        let mut calls = vec![("gateway", topology.entry().name.as_str())];
        calls.extend(topology.edges().map(|(caller, callee)| (caller.as_str(), callee.as_str())));
        let address = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let ingress = address();
        let inbound: BTreeMap<&str, SocketAddr> = PROCESSES.map(|process| (process, address())).into();
        let outbound: BTreeMap<&str, SocketAddr> =
            calls.iter().map(|(_, callee)| (*callee, address())).collect();
        assert_eq!(outbound.len(), calls.len(), "one caller per service");

        let mut builder = Mesh::builder().with("OTEL_TRACES_EXPORTER", exporter);
        if exporter == "otlp" {
            // Sidecars with W3C's headers alone would pass B3 headers on unchanged.
            builder = builder.with("OTEL_PROPAGATORS", "tracecontext");
        }
        if exporter != "none" {
            builder = builder.with("OTEL_BSP_SCHEDULE_DELAY", "50");
        }
        for (callee, address) in &outbound {
            let variable = format!("{}_URL", callee.to_uppercase().replace('-', "_"));
            builder = builder.with(&variable, address.to_string());
        }
        let mesh = builder.start().await;

        let tracer = tracer(&mesh);
        let mut proxies =
            vec![Envoy::builder("ingress", tracer).ingress(ingress, ("gateway", inbound["gateway"]), ORIGIN)];
        for process in PROCESSES.into_iter().filter(|process| !["collector", "service-f"].contains(process)) {
            let own = if process == "gateway" { of(&mesh.url("")) } else { of(&mesh.address(process)) };
            let mut sidecar =
                Envoy::builder(&format!("{process}.mesh"), tracer).inbound(inbound[process], (process, own));
            for (_, callee) in calls.iter().filter(|(caller, _)| *caller == process) {
                sidecar = sidecar.outbound(outbound[callee], (callee, inbound[callee]));
            }
            proxies.push(sidecar);
        }
        let mut started = Vec::new();
        for proxy in proxies {
            started.push(proxy.start().await);
        }
        Self { mesh, ingress, _proxies: started }
    }

    async fn send(&self, method: Method, headers: &[(&str, &str)]) -> Reply {
        let mut request =
            Request::builder().method(method).uri(format!("http://{}/api/greeting", self.ingress));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Client::new().send(request.body(Full::default()).expect("a request")).await.expect("a response")
    }

    /// The only trace of the collector, once it has this many spans.
    async fn trace(&self, spans: usize) -> Vec<Value> {
        eventually(&format!("a trace of {spans} spans"), async || {
            let reply = Client::new().get(&self.mesh.collector("/api/v2/traces?limit=10")).await;
            let traces: Vec<Vec<Value>> = serde_json::from_slice(&reply.body).expect("traces");
            assert!(traces.len() <= 1, "{} traces of one request", traces.len());
            let trace = traces.into_iter().next().unwrap_or_default();
            if trace.len() >= spans { Ok(trace) } else { Err(format!("{}:\n{}", trace.len(), tree(&trace))) }
        })
        .await
    }

    /// Checks that one request has one trace of this shape, and one request id from the ingress to the last leaf.
    async fn traces_as(&self, expected: &str) {
        let reply = self.send(Method::GET, &[("origin", ORIGIN)]).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.answer().expect("a valid answer");
        let trace = self.trace(expected.lines().count()).await;
        assert_eq!(tree(&trace), expected.to_lowercase_names());

        // The ingress created the id.
        let id = reply.header("x-request-id");
        assert!(uuid::Uuid::try_parse(id).is_ok(), "{id:?}");
        let ids = trace.iter().filter_map(|span| span["tags"]["guid:x-request-id"].as_str());
        let ids: Vec<&str> = ids.collect();
        assert_eq!(ids, [id].repeat(16), "the id in each span of a proxy");
        let trace_id = trace[0]["traceId"].as_str().expect("an id");
        assert_eq!(trace_id.len(), 32);
        for process in PROCESSES.into_iter().filter(|process| *process != "collector") {
            self.mesh.logs(process, &format!(r#""request_id":"{id}""#)).await;
            self.mesh.logs(process, &format!(r#""trace_id":"{trace_id}""#)).await;
        }

        // Only the ingress adds CORS headers.
        for (name, value) in [
            ("access-control-allow-origin", ORIGIN),
            ("access-control-allow-credentials", "true"),
            ("access-control-expose-headers", "x-request-id"),
        ] {
            let values: Vec<_> = reply.headers.get_all(name).iter().collect();
            assert_eq!(values, [value], "{name}");
        }
    }

    /// The ingress responds to preflights, and does not allow other origins.
    async fn leaves_cors_to_the_ingress(&self) {
        let preflight = [("origin", ORIGIN), ("access-control-request-method", "GET")];
        let reply = self.send(Method::OPTIONS, &preflight).await;
        assert_eq!((reply.status.as_u16(), reply.header("access-control-allow-origin")), (200, ORIGIN));
        assert_eq!((reply.header("access-control-allow-methods"), reply.header("x-request-id")), ("GET", ""));
        let other = self.send(Method::GET, &[("origin", "https://elsewhere.example")]).await;
        assert_eq!((other.status.as_u16(), other.header("access-control-allow-origin")), (200, ""));
    }
}

/// Names as the collector returns them.
trait LowerCaseNames {
    fn to_lowercase_names(&self) -> String;
}

impl LowerCaseNames for str {
    fn to_lowercase_names(&self) -> String {
        self.replace(" Greeting", " greeting").replace("GET /", "get /")
    }
}

/// The address of a URL or `host:port`.
fn of(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").parse().expect("an address")
}

/// Zipkin's tracer with B3, as in Istio.
fn zipkin(mesh: &Mesh) -> Tracer {
    Tracer::Zipkin(of(&mesh.collector("")))
}

/// OpenTelemetry's tracer with W3C's headers.
fn opentelemetry(mesh: &Mesh) -> Tracer {
    Tracer::OpenTelemetry(mesh.otlp_grpc())
}

#[tokio::test]
async fn the_trace_of_sidecars_is_complete_without_spans_of_octet() {
    let proxied = Proxied::start("none", zipkin).await;
    proxied.traces_as(SIDECARS).await;
    proxied.leaves_cors_to_the_ingress().await;
    proxied.mesh.end().await;
}

#[tokio::test]
async fn spans_of_sidecars_and_of_octet_are_one_tree() {
    let proxied = Proxied::start("zipkin", zipkin).await;
    proxied.traces_as(BOTH).await;
    proxied.mesh.end().await;
}

#[tokio::test]
async fn the_trace_of_opentelemetrys_sidecars_is_complete_without_spans_of_octet() {
    let proxied = Proxied::start("none", opentelemetry).await;
    proxied.traces_as(SIDECARS).await;
    proxied.mesh.end().await;
}

#[tokio::test]
async fn spans_of_opentelemetrys_sidecars_and_of_octet_are_one_tree() {
    let proxied = Proxied::start("otlp", opentelemetry).await;
    proxied.traces_as(BOTH).await;
    proxied.mesh.end().await;
}
