//! OTLP over HTTP, in protobuf or JSON, and over gRPC, through the same [`Sender`] as Zipkin's.

mod encode;
mod settings;
mod wire;

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use opentelemetry::Value;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;

pub(super) use self::settings::OtlpSettings;
use self::{
    encode::attribute,
    settings::Protocol,
    wire::{message, text},
};
use super::{
    batch::{Ended, Exporter},
    sender::{SendError, Sender},
    zipkin::DROPPED_SPANS,
};
use crate::identity;

/// Bytes after which a batch is full: below the 4 MiB that gRPC servers accept.
const FULL: usize = 1024 * 1024;

/// Bytes that a batch reserves.
const INITIAL_CAPACITY: usize = 16 * 1024;

/// The prefix of a gRPC message: a flag for compression, and the message's length.
const PREFIX: usize = 5;

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// Posts batches to an OTLP backend. A span is encoded as it ends.
pub(super) struct OtlpExporter {
    settings: OtlpSettings,
    sender: Sender,
    /// Those of every request.
    headers: HeaderMap,
    /// The resource, as the first field of `ResourceSpans`.
    resource: Vec<u8>,
    /// The scope, as the first field of `ScopeSpans`.
    scope: Vec<u8>,
}

impl OtlpExporter {
    /// `service` and `attributes` are the resource.
    pub(super) fn new(
        settings: &OtlpSettings,
        sender: Sender,
        service: &str,
        attributes: &[(String, String)],
    ) -> Self {
        let mut headers = settings.headers.clone();
        let content_type = match settings.protocol {
            Protocol::HttpProtobuf => "application/x-protobuf",
            Protocol::HttpJson => "application/json",
            Protocol::Grpc => "application/grpc",
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if settings.protocol == Protocol::Grpc {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        if settings.is_compressed {
            let is_grpc = settings.protocol == Protocol::Grpc;
            let name = if is_grpc { GRPC_ENCODING } else { header::CONTENT_ENCODING };
            headers.insert(name, HeaderValue::from_static("gzip"));
        }
        let resource = resource(service, attributes);
        Self { settings: settings.clone(), sender, headers, resource, scope: scope() }
    }

    /// An `ExportTraceServiceRequest`; empty for an empty batch.
    fn request(&self, batch: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(batch.len() + self.resource.len() + self.scope.len() + 32);
        if !batch.is_empty() {
            message::<3>(&mut out, 1, |out| {
                out.extend_from_slice(&self.resource);
                message::<3>(out, 2, |out| {
                    out.extend_from_slice(&self.scope);
                    out.extend_from_slice(batch);
                });
            });
        }
        out
    }

    fn body(&self, batch: &[u8]) -> Result<Bytes, String> {
        let mut request = self.request(batch);
        if self.settings.protocol == Protocol::HttpJson {
            // Rare, so that it need not be fast.
            let decoded = ExportTraceServiceRequest::decode(&*request).map_err(|error| error.to_string())?;
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

    /// The number of spans that the backend rejected.
    fn rejected(&self, response: &Response<Bytes>) -> usize {
        let body = response.body();
        let answer = match self.settings.protocol {
            Protocol::HttpProtobuf => ExportTraceServiceResponse::decode(&**body).ok(),
            Protocol::HttpJson => serde_json::from_slice(body).ok(),
            Protocol::Grpc => {
                body.get(PREFIX..).and_then(|body| ExportTraceServiceResponse::decode(body).ok())
            }
        };
        let partial = answer.and_then(|answer: ExportTraceServiceResponse| answer.partial_success);
        let Some(ExportTracePartialSuccess { rejected_spans, error_message }) = partial else { return 0 };
        if rejected_spans > 0 || !error_message.is_empty() {
            tracing::warn!(exporter = "otlp", rejected_spans, error_message, "backend rejected spans");
        }
        usize::try_from(rejected_spans).unwrap_or_default()
    }
}

impl Exporter for OtlpExporter {
    /// Elements of `ScopeSpans.spans`.
    type Batch = Vec<u8>;

    fn name(&self) -> &'static str {
        "otlp"
    }

    fn add(&self, batch: &mut Vec<u8>, span: Ended<'_>) {
        if batch.is_empty() {
            batch.reserve(INITIAL_CAPACITY);
        }
        encode::span(batch, span.data);
    }

    fn is_large(&self, batch: &Vec<u8>) -> bool {
        batch.len() >= FULL
    }

    fn reports_dropped(&self) -> bool {
        true
    }

    async fn export(&self, batch: Vec<u8>, dropped: u64) -> Result<usize, String> {
        let mut request = Request::new(self.body(&batch)?);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.settings.endpoint.clone();
        *request.headers_mut() = self.headers.clone();
        if dropped > 0 {
            request.headers_mut().insert(DROPPED_SPANS, dropped.into());
        }
        let response = self.sender.post(&request).await;
        response.map(|response| self.rejected(&response)).map_err(|error: SendError| error.to_string())
    }
}

/// Configured attributes override the defaults.
fn resource(service: &str, attributes: &[(String, String)]) -> Vec<u8> {
    let defaults = [
        ("telemetry.sdk.name", "octet".to_owned()),
        ("telemetry.sdk.language", "rust".to_owned()),
        ("telemetry.sdk.version", identity::VERSION.to_owned()),
        ("service.instance.id", uuid::Uuid::new_v4().to_string()),
    ];
    let is_default = |name: &str| !attributes.iter().any(|(configured, _)| configured == name);
    let defaults = defaults.into_iter().filter(|(name, _)| is_default(name));
    let mut out = Vec::new();
    message::<2>(&mut out, 1, |out| {
        attribute(out, 1, "service.name", &Value::from(service.to_owned()));
        for (name, value) in defaults {
            attribute(out, 1, name, &Value::from(value));
        }
        for (name, value) in attributes {
            attribute(out, 1, name, &Value::from(value.clone()));
        }
    });
    out
}

fn scope() -> Vec<u8> {
    let mut out = Vec::new();
    message::<1>(&mut out, 1, |out| {
        text(out, 1, "octet");
        text(out, 2, identity::VERSION);
    });
    out
}

#[cfg(test)]
mod tests;
