//! OTLP over HTTP, in protobuf or JSON, and over gRPC, through the same [`Sender`](super::sender::Sender) as Zipkin's:
//! spans, metrics and log records.

mod client;
mod encode;
mod logs;
mod metrics;
mod settings;
mod spans;

#[cfg(test)]
pub(super) use self::encode::{shape, span};
pub(super) use self::{
    client::{Client, Resource},
    logs::LogExporter,
    metrics::{MetricExporter, Times},
    settings::{OtlpSettings, Signal},
    spans::OtlpSpanExporter,
};
