//! Traces: who called whom, and how long each step took; and metrics and logs for OTLP.
//!
//! The way of a span: headers become an [`Extracted`] (`propagators`, `b3` among them), `sampler` decides, a [`Span`] is
//! started and ended by the code that it describes, with what its `shape` has already encoded, and `batch` hands it to the
//! exporters, `zipkin` and `otlp`, which post by `sender`. With no exporter on, headers pass unchanged and a span costs
//! nothing. `otlp` exports metrics and log lines, too.
//!
//! OpenTelemetry's types stay in here, except those in this module's own signatures.

mod attribute;
mod b3;
mod batch;
mod carrier;
mod conventions;
mod digits;
mod extracted;
mod grpc;
mod logs;
mod otlp;
mod propagators;
mod record;
mod recorder;
mod sampler;
#[cfg(test)]
mod samples;
mod sender;
mod settings;
mod shape;
mod span;
mod start;
mod tls;
mod trace_ids;
mod tracer;
mod w3c;
mod zipkin;

pub use attribute::AttributeValue;
pub use b3::{B3Form, B3Propagator};
pub use conventions::Convention;
pub use extracted::{B3, Decision, Extracted};
pub use grpc::{GrpcSpan, code_name};
pub(crate) use logs::LogExport;
pub use opentelemetry::trace::SpanKind;
pub use settings::TelemetrySettings;
pub use shape::Shape;
pub use span::{Span, in_current_scope};
pub use start::{LastLines, Telemetry, TelemetryError};
pub use trace_ids::{SampledIds, TraceIds};
pub use tracer::Tracer;
