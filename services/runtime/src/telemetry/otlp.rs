//! OTLP over HTTP by OpenTelemetry's own exporter, through the same [`Sender`] as Zipkin's.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::KeyValue;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{ExporterBuildError, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanExporter as _},
};
use prost::Message;

use super::{
    batch::{Ended, Exporter},
    sender::Sender,
    settings::OtlpSettings,
};
use crate::identity;

/// Posts spans in protobuf.
pub(super) struct OtlpExporter {
    exporter: SpanExporter,
    /// Spans of the last post that the backend rejected.
    rejected: Arc<AtomicUsize>,
}

impl Exporter for OtlpExporter {
    type Batch = Vec<SpanData>;

    fn name(&self) -> &'static str {
        "otlp"
    }

    fn add(&self, batch: &mut Vec<SpanData>, span: Ended<'_>) {
        batch.push(span.data.clone());
    }

    async fn export(&self, batch: Vec<SpanData>, _dropped: u64) -> Result<usize, String> {
        self.rejected.store(0, Ordering::Relaxed);
        self.exporter.export(batch).await.map_err(|error| error.to_string())?;
        Ok(self.rejected.load(Ordering::Relaxed))
    }
}

/// The exporter's HTTP client, which also reads what the exporter does not return.
#[derive(Debug)]
struct OtlpClient {
    sender: Sender,
    rejected: Arc<AtomicUsize>,
}

#[async_trait]
impl HttpClient for OtlpClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.sender.post(&request).await?;
        let ExportResponse { partial_success } =
            ExportResponse::decode(response.body().clone()).unwrap_or_default();
        if let Some(PartialSuccess { rejected_spans, error_message }) = partial_success
            && (rejected_spans > 0 || !error_message.is_empty())
        {
            tracing::warn!(exporter = "otlp", rejected_spans, error_message, "backend rejected spans");
            self.rejected.store(usize::try_from(rejected_spans).unwrap_or_default(), Ordering::Relaxed);
        }
        Ok(response)
    }
}

/// `ExportTraceServiceResponse` of OTLP.
#[derive(Clone, PartialEq, prost::Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

/// `ExportTracePartialSuccess` of OTLP.
#[derive(Clone, PartialEq, prost::Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_spans: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// An exporter by `settings`; `service` and `attributes` are the resource.
///
/// # Errors
/// When OpenTelemetry's exporter rejects the settings.
pub(super) fn exporter(
    settings: &OtlpSettings,
    service: &str,
    attributes: &[(String, String)],
) -> Result<OtlpExporter, ExporterBuildError> {
    let OtlpSettings { endpoint, timeout, headers } = settings;
    let headers: HashMap<String, String> = headers.iter().cloned().collect();
    let rejected = Arc::<AtomicUsize>::default();
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(OtlpClient { sender: Sender::new(*timeout), rejected: rejected.clone() })
        .with_headers(headers)
        .with_endpoint(endpoint.to_string())
        .with_timeout(*timeout)
        // The sender retries.
        .with_retry_policy(RetryPolicy::disabled())
        .build()?;
    // Of a repeated key the last value counts, so that configured attributes override the defaults.
    let defaults = [
        ("telemetry.sdk.name", "octet".to_owned()),
        ("telemetry.sdk.language", "rust".to_owned()),
        ("telemetry.sdk.version", identity::VERSION.to_owned()),
        ("service.instance.id", uuid::Uuid::new_v4().to_string()),
    ];
    let defaults = defaults.map(|(name, value)| KeyValue::new(name, value));
    let attributes = attributes.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    let resource = Resource::builder_empty()
        .with_attributes(defaults)
        .with_attributes(attributes)
        .with_service_name(service.to_owned())
        .build();
    exporter.set_resource(&resource);
    Ok(OtlpExporter { exporter, rejected })
}
