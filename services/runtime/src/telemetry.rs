//! Traces: who called whom, and how long each step took.
//!
//! The way of a span: headers become an [`Incoming`] (`propagators`, with `b3` among them), `sampler` decides, a [`Span`]
//! is begun and ended by the code that it is about, and `batch` hands it to the exporters, `zipkin` and `otlp`, which
//! post by `sender`. With no exporter on, the headers pass unchanged and a span costs nothing.
//!
//! OpenTelemetry's types stay in here, but for those that are named in this module's own signatures.

mod b3;
mod batch;
mod carrier;
mod digits;
mod grpc;
mod otlp;
mod propagators;
mod sampler;
mod sender;
mod settings;
mod span;
mod start;
mod tracer;
mod w3c;
mod zipkin;

pub use b3::{B3, B3Form, B3Propagator, Decision};
pub use grpc::GrpcSpan;
pub use opentelemetry::trace::SpanKind;
pub use settings::TelemetrySettings;
pub use span::{Span, TraceIds};
pub use start::{Telemetry, TelemetryError};
pub use tracer::{Incoming, Tracer};
