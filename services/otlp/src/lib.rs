//! Reads OTLP's spans into Zipkin's model, so that a trace is searched, drawn and counted whatever format it arrived in.
//!
//! [`ProtoReader`] and [`JsonReader`] read an `ExportTraceServiceRequest` span by span, in memory that does not grow with
//! the number of its spans. The rules of the conversion are OpenTelemetry's for Zipkin exporters
//! (<https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/>), and stand in `convert`. The crate does no I/O.

mod convert;
mod json;
mod origin;
mod proto;
mod remote;
mod span;
mod value;

pub use json::JsonReader;
pub use proto::ProtoReader;

/// The maximum size of one span in a report, in bytes; as for Zipkin's.
const MAX_SPAN: usize = 1024 * 1024;
