//! `OTEL_EXPORTER_OTLP_*`, and the same for traces alone.

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

    /// The endpoint without configuration.
    fn default_endpoint(self) -> Uri {
        match self {
            Self::HttpProtobuf | Self::HttpJson => Uri::from_static("http://localhost:4318/v1/traces"),
            Self::Grpc => Uri::from_static(
                "http://localhost:4317/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            ),
        }
    }

    /// The path below the endpoint that is for all signals.
    fn path(self) -> &'static str {
        match self {
            Self::HttpProtobuf | Self::HttpJson => "/v1/traces",
            Self::Grpc => GRPC_PATH,
        }
    }
}

const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Where and how spans are exported.
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
    /// Reads the variables for all signals, and those for traces, which take precedence. Certificates are read only where
    /// `is_on`.
    pub(in crate::telemetry) fn from_environment(environment: &mut Environment<'_>, is_on: bool) -> Self {
        let protocol = either(environment, "PROTOCOL", "http/protobuf, http/json or grpc", Protocol::parse);
        let protocol = protocol.unwrap_or(Protocol::HttpProtobuf);
        let is_compressed = either(environment, "COMPRESSION", "gzip or none", |text| match text {
            "gzip" => Ok(true),
            "none" => Ok(false),
            _ => Err(()),
        });
        let mut headers = HeaderMap::new();
        for name in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"] {
            let allowed = "a comma-separated list of header=value";
            headers.extend(environment.or(name, allowed, HeaderMap::new(), header_pairs));
        }
        let general = milliseconds(environment, "OTEL_EXPORTER_OTLP_TIMEOUT", 10_000);
        let default = u64::try_from(general.as_millis()).unwrap_or(u64::MAX);
        let timeout = milliseconds(environment, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", default);

        let base = environment
            .optional("OTEL_EXPORTER_OTLP_ENDPOINT", ENDPOINT, |text| below(text, protocol.path()));
        let exact = environment.optional("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ENDPOINT, |text| {
            // gRPC's path is its method's in any case.
            below(text, if protocol == Protocol::Grpc { GRPC_PATH } else { "" })
        });
        let endpoint = exact.or(base).unwrap_or_else(|| protocol.default_endpoint());
        let (general, own) = ("OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE");
        let files = (environment.text(own), environment.text(general));
        let (variable, file) = if files.0.is_some() { (own, files.0) } else { (general, files.1) };
        let is_https = is_on && endpoint.scheme_str() == Some("https");
        let tls = is_https.then(|| tls::client(environment, variable, file.as_deref(), protocol.version()));
        let is_compressed = is_compressed.unwrap_or_default();
        Self { endpoint, protocol, is_compressed, timeout, headers, tls: tls.flatten() }
    }
}

/// The value for traces, or else the one for all signals.
fn either<T>(
    environment: &mut Environment<'_>,
    name: &str,
    allowed: &str,
    parse: impl Fn(&str) -> Result<T, ()>,
) -> Option<T> {
    let general = environment.optional(&format!("OTEL_EXPORTER_OTLP_{name}"), allowed, &parse);
    environment.optional(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"), allowed, &parse).or(general)
}

/// A URL with a path appended; without any path, that of the root.
fn below(text: &str, path: &str) -> Result<Uri, ()> {
    let url = HttpUrl::parse(text).ok_or(())?;
    let url = if path == GRPC_PATH { format!("{}{path}", url.origin()) } else { format!("{url}{path}") };
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
