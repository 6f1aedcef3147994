//! OTLP over HTTP, by OpenTelemetry's own exporter, posting as the Zipkin exporter does.

use std::collections::HashMap;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SpanExporter as _};

use super::{sender::Sender, settings::OtlpSettings};

/// An exporter that posts protobuf to where `settings` say; `service` and `attributes` are the resource.
///
/// # Errors
/// When OpenTelemetry's exporter refuses what was given.
pub(super) fn exporter(
    settings: &OtlpSettings,
    service: &str,
    attributes: &[(String, String)],
) -> Result<SpanExporter, ExporterBuildError> {
    let OtlpSettings { endpoint, timeout, headers } = settings;
    let headers: HashMap<String, String> = headers.iter().cloned().collect();
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Sender::new(*timeout))
        .with_headers(headers)
        .with_endpoint(endpoint.to_string())
        .with_timeout(*timeout)
        // The sender tries again by itself.
        .with_retry_policy(RetryPolicy::disabled())
        .build()?;
    let attributes = attributes.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    let resource =
        Resource::builder_empty().with_attributes(attributes).with_service_name(service.to_owned()).build();
    exporter.set_resource(&resource);
    Ok(exporter)
}
