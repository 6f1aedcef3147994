//! OTLP over HTTP by OpenTelemetry's own exporter, through the same [`Sender`] as Zipkin's.

use std::collections::HashMap;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanExporter as _},
};

use super::{
    batch::{Ended, Exporter},
    sender::Sender,
    settings::OtlpSettings,
};

/// Posts spans in protobuf.
pub(super) struct OtlpExporter(SpanExporter);

impl Exporter for OtlpExporter {
    type Batch = Vec<SpanData>;

    fn name(&self) -> &'static str {
        "otlp"
    }

    fn add(&self, batch: &mut Vec<SpanData>, span: Ended<'_>) {
        batch.push(span.data.clone());
    }

    async fn export(&self, batch: Vec<SpanData>) -> Result<(), String> {
        self.0.export(batch).await.map_err(|error| error.to_string())
    }
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
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Sender::new(*timeout))
        .with_headers(headers)
        .with_endpoint(endpoint.to_string())
        .with_timeout(*timeout)
        // The sender retries.
        .with_retry_policy(RetryPolicy::disabled())
        .build()?;
    let attributes = attributes.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    let resource =
        Resource::builder_empty().with_attributes(attributes).with_service_name(service.to_owned()).build();
    exporter.set_resource(&resource);
    Ok(OtlpExporter(exporter))
}
