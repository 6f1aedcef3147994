//! OTLP over HTTP, in protobuf or JSON, and over gRPC, through the same [`Sender`](super::sender::Sender) as Zipkin's:
//! spans, metrics and log records.

mod client;
mod encode;
mod logs;
mod metrics;
mod settings;
mod spans;
mod wire;

pub(super) use self::{
    client::{Client, Resource},
    logs::LogExporter,
    metrics::{MetricExporter, Times},
    settings::{OtlpSettings, Signal},
    spans::SpanExporter,
};
