//! `OTEL_EXPORTER_OTLP_*`, and the same for each signal alone.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use tokio_rustls::rustls::ClientConfig;

use crate::{
    environment::Environment,
    http_url::HttpUrl,
    telemetry::{
        batch::milliseconds,
        sender::{ENDPOINT, Version},
        settings::pairs,
        tls,
    },
};

/// The encoding and the transport of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry) enum Protocol {
    HttpProtobuf,
    HttpJson,
    Grpc,
}

impl Protocol {
    fn parse(text: &str) -> Result<Self, ()> {
        match text {
            "http/protobuf" => Ok(Self::HttpProtobuf),
            "http/json" => Ok(Self::HttpJson),
            "grpc" => Ok(Self::Grpc),
            _ => Err(()),
        }
    }

    pub(in crate::telemetry) fn version(self) -> Version {
        if self == Self::Grpc { Version::Http2 } else { Version::Http1 }
    }
}

/// What is exported. Each signal has paths and variables of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    /// In the names of variables.
    fn variable(self, name: &str) -> String {
        let signal = match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
            Self::Logs => "LOGS",
        };
        format!("OTEL_EXPORTER_OTLP_{signal}_{name}")
    }

    /// The path below the endpoint that is for all signals.
    fn path(self, protocol: Protocol) -> &'static str {
        match (self, protocol == Protocol::Grpc) {
            (Self::Traces, false) => "/v1/traces",
            (Self::Metrics, false) => "/v1/metrics",
            (Self::Logs, false) => "/v1/logs",
            (Self::Traces, true) => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            (Self::Metrics, true) => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            (Self::Logs, true) => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        }
    }
}

/// Where and how a signal is exported.
#[derive(Clone)]
pub(in crate::telemetry) struct OtlpSettings {
    /// With the path, of gRPC's method too.
    pub(in crate::telemetry) endpoint: Uri,
    pub(in crate::telemetry) protocol: Protocol,
    pub(in crate::telemetry) is_compressed: bool,
    /// Of one attempt.
    pub(in crate::telemetry) timeout: Duration,
    pub(in crate::telemetry) headers: HeaderMap,
    /// Of an `https://` endpoint.
    pub(in crate::telemetry) tls: Option<Arc<ClientConfig>>,
}

impl std::fmt::Debug for OtlpSettings {
    /// Without the headers, which may contain a key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { endpoint, protocol, .. } = self;
        let mut text = formatter.debug_struct("OtlpSettings");
        text.field("endpoint", endpoint).field("protocol", protocol).finish_non_exhaustive()
    }
}

impl OtlpSettings {
    /// Reads the variables for all signals, and those for `signal`, which take precedence. Certificates are read only where
    /// `is_on`.
    pub(in crate::telemetry) fn from_environment(
        environment: &mut Environment<'_>,
        signal: Signal,
        is_on: bool,
    ) -> Self {
        let protocols = "http/protobuf, http/json or grpc";
        let protocol = either(environment, (signal, "PROTOCOL"), protocols, Protocol::parse);
        let protocol = protocol.unwrap_or(Protocol::HttpProtobuf);
        let is_compressed = either(environment, (signal, "COMPRESSION"), "gzip or none", |text| match text {
            "gzip" => Ok(true),
            "none" => Ok(false),
            _ => Err(()),
        });
        let mut headers = HeaderMap::new();
        for name in ["OTEL_EXPORTER_OTLP_HEADERS".to_owned(), signal.variable("HEADERS")] {
            let allowed = "a comma-separated list of header=value";
            headers.extend(environment.or(&name, allowed, HeaderMap::new(), header_pairs));
        }
        let general = milliseconds(environment, "OTEL_EXPORTER_OTLP_TIMEOUT", 10_000);
        let default = u64::try_from(general.as_millis()).unwrap_or(u64::MAX);
        let timeout = milliseconds(environment, &signal.variable("TIMEOUT"), default);

        let path = signal.path(protocol);
        let base = environment
            .optional("OTEL_EXPORTER_OTLP_ENDPOINT", ENDPOINT, |text| endpoint(text, protocol, path));
        let exact = environment
            .optional(&signal.variable("ENDPOINT"), ENDPOINT, |text| {
                // gRPC's path is its method's in any case.
                endpoint(text, protocol, if protocol == Protocol::Grpc { path } else { "" })
            })
            .or(base);
        let endpoint = exact.unwrap_or_else(|| {
            let port = if protocol == Protocol::Grpc { 4317 } else { 4318 };
            format!("http://localhost:{port}{path}").parse().unwrap_or_default()
        });
        let (general, own) = ("OTEL_EXPORTER_OTLP_CERTIFICATE", signal.variable("CERTIFICATE"));
        let files = (environment.text(&own), environment.text(general));
        let (variable, file) = if files.0.is_some() { (&*own, files.0) } else { (general, files.1) };
        let is_https = is_on && endpoint.scheme_str() == Some("https");
        let tls = is_https.then(|| tls::client(environment, variable, file.as_deref(), protocol.version()));
        let is_compressed = is_compressed.unwrap_or_default();
        Self { endpoint, protocol, is_compressed, timeout, headers, tls: tls.flatten() }
    }
}

/// The value for the signal, or else the one for all signals.
fn either<T>(
    environment: &mut Environment<'_>,
    (signal, name): (Signal, &str),
    allowed: &str,
    parse: impl Fn(&str) -> Result<T, ()>,
) -> Option<T> {
    let general = environment.optional(&format!("OTEL_EXPORTER_OTLP_{name}"), allowed, &parse);
    environment.optional(&signal.variable(name), allowed, &parse).or(general)
}

/// A URL with a path appended; for gRPC with the path alone.
fn endpoint(text: &str, protocol: Protocol, path: &str) -> Result<Uri, ()> {
    let url = HttpUrl::parse(text).ok_or(())?;
    let url =
        if protocol == Protocol::Grpc { format!("{}{path}", url.origin()) } else { format!("{url}{path}") };
    url.parse().map_err(drop)
}

fn header_pairs(text: &str) -> Result<HeaderMap, ()> {
    let header = |(name, value): (String, String)| {
        let mut value = HeaderValue::try_from(value).map_err(drop)?;
        value.set_sensitive(true);
        Ok((HeaderName::try_from(name).map_err(drop)?, value))
    };
    pairs(text)?.into_iter().map(header).collect()
}
