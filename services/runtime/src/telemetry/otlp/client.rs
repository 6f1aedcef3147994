//! Posts requests of one signal, and reads how many of their items were rejected.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use octet_wire::put::{message, text};
use prost::Message;
use tokio_rustls::rustls;

use super::{
    encode::attribute,
    settings::{OtlpSettings, Protocol},
};
use crate::{
    identity,
    telemetry::{
        sender::{SendError, Sender},
        zipkin::DROPPED_SPANS,
    },
};

/// The prefix of a gRPC message: a flag for compression, and the message's length.
const PREFIX: usize = 5;

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// What a process is, as the first field of `ResourceSpans`, `ResourceMetrics` or `ResourceLogs`.
#[derive(Debug, Clone)]
pub(in crate::telemetry) struct Resource(Vec<u8>);

/// The messages of a signal.
pub(super) trait Messages {
    /// `Export…ServiceRequest`. Its field 1 is `Resource…`, whose fields are 1 for the resource and 2 for `Scope…`, whose
    /// fields are 1 for the scope and 2 for the items: the numbers are the same for every signal.
    type Request: Message + Default + serde::Serialize;
    /// `Export…ServiceResponse`.
    type Response: Message + Default + serde::de::DeserializeOwned;
    /// The items in a log line.
    const ITEMS: &'static str;

    /// The number of rejected items, and why; also a warning without rejected items.
    fn rejected(response: Self::Response) -> Option<(i64, String)>;
}

/// Posts requests of one signal.
#[derive(Debug)]
pub(in crate::telemetry) struct Client {
    settings: OtlpSettings,
    sender: Sender,
    /// Those of every request.
    headers: HeaderMap,
    resource: Resource,
    /// The scope, as the first field of `Scope…`.
    scope: Vec<u8>,
}

impl Client {
    /// # Errors
    /// When TLS cannot be set up.
    pub(in crate::telemetry) fn new(
        settings: &OtlpSettings,
        resource: &Resource,
    ) -> Result<Self, rustls::Error> {
        let is_grpc = settings.protocol == Protocol::Grpc;
        let mut headers = settings.headers.clone();
        let content_type = match settings.protocol {
            Protocol::HttpProtobuf => "application/x-protobuf",
            Protocol::HttpJson => "application/json",
            Protocol::Grpc => "application/grpc",
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if is_grpc {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        if settings.is_compressed {
            let name = if is_grpc { GRPC_ENCODING } else { header::CONTENT_ENCODING };
            headers.insert(name, HeaderValue::from_static("gzip"));
        }
        let sender = Sender::new(settings.timeout, settings.protocol.version(), settings.tls.clone())?;
        let (settings, resource) = (settings.clone(), resource.clone());
        Ok(Self { settings, sender, headers, resource, scope: scope() })
    }

    /// Posts encoded items, each with its key; a request without items if there are none. `dropped` items were lost before.
    /// Returns the number of items that the backend rejected, or the reason why all failed.
    pub(super) async fn post<M: Messages>(&self, items: &[u8], dropped: u64) -> Result<usize, String> {
        let mut request = Request::new(self.body::<M::Request>(items)?);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.settings.endpoint.clone();
        *request.headers_mut() = self.headers.clone();
        if dropped > 0 {
            request.headers_mut().insert(DROPPED_SPANS, dropped.into());
        }
        let response = self.sender.post(&request).await;
        let response = response.map_err(|error: SendError| error.to_string())?;
        let body = response.body();
        let response = match self.settings.protocol {
            Protocol::HttpProtobuf => M::Response::decode(&**body).ok(),
            Protocol::HttpJson => serde_json::from_slice(body).ok(),
            Protocol::Grpc => body.get(PREFIX..).and_then(|body| M::Response::decode(body).ok()),
        };
        let Some((rejected, message)) = response.and_then(M::rejected) else { return Ok(0) };
        if rejected > 0 || !message.is_empty() {
            tracing::warn!(exporter = "otlp", rejected, message, "backend rejected {}", M::ITEMS);
        }
        Ok(usize::try_from(rejected).unwrap_or_default())
    }

    fn request(&self, items: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(items.len() + self.resource.0.len() + self.scope.len() + 32);
        if !items.is_empty() {
            message::<3>(&mut out, 1, |out| {
                out.extend_from_slice(&self.resource.0);
                message::<3>(out, 2, |out| {
                    out.extend_from_slice(&self.scope);
                    out.extend_from_slice(items);
                });
            });
        }
        out
    }

    fn body<R: Message + Default + serde::Serialize>(&self, items: &[u8]) -> Result<Bytes, String> {
        let mut request = self.request(items);
        if self.settings.protocol == Protocol::HttpJson {
            // Rare, so that it need not be fast.
            let decoded = R::decode(&*request).map_err(|error| error.to_string())?;
            request = serde_json::to_vec(&decoded).map_err(|error| error.to_string())?;
        }
        if self.settings.is_compressed {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            let written = encoder.write_all(&request).and_then(|()| encoder.finish());
            request = written.map_err(|error| error.to_string())?;
        }
        if self.settings.protocol == Protocol::Grpc {
            let length = u32::try_from(request.len()).map_err(|error| error.to_string())?;
            let mut framed = vec![u8::from(self.settings.is_compressed)];
            framed.extend_from_slice(&length.to_be_bytes());
            framed.extend_from_slice(&request);
            request = framed;
        }
        Ok(request.into())
    }
}

impl Resource {
    /// `instance` distinguishes this process from others of the service. Configured attributes override the defaults.
    pub(in crate::telemetry) fn new(service: &str, attributes: &[(String, String)], instance: &str) -> Self {
        let defaults = [
            ("telemetry.sdk.name", "octet"),
            ("telemetry.sdk.language", "rust"),
            ("telemetry.sdk.version", identity::VERSION),
            ("service.instance.id", instance),
        ];
        let is_default = |name: &str| !attributes.iter().any(|(configured, _)| configured == name);
        let defaults = defaults.into_iter().filter(|(name, _)| is_default(name));
        let mut out = Vec::new();
        message::<2>(&mut out, 1, |out| {
            attribute(out, 1, "service.name", service.into());
            for (name, value) in defaults {
                attribute(out, 1, name, value.into());
            }
            for (name, value) in attributes {
                attribute(out, 1, name, value.into());
            }
        });
        Self(out)
    }
}

fn scope() -> Vec<u8> {
    let mut out = Vec::new();
    message::<1>(&mut out, 1, |out| {
        text(out, 1, "octet");
        text(out, 2, identity::VERSION);
    });
    out
}
