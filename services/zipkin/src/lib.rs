//! Zipkin's v2 spans: their model, their JSON, and what traces show about the mesh.
//!
//! The model follows [zipkin-api's `zipkin2-api.yaml`](https://github.com/openzipkin/zipkin-api) and, where that is
//! silent, Zipkin's own server. [`read`] parses a report, [`packed`] keeps its spans as bytes, [`tree`] joins the spans of one trace, [`links`] counts calls
//! between services by Zipkin's rules, [`edges`] measures them. The crate does no I/O.

pub mod edges;
pub mod id;
pub mod links;
pub mod outcome;
pub mod packed;
pub mod read;
pub mod span;
pub mod tree;
mod write;

pub use id::{SpanId, TraceId};
pub use read::Batch;
pub use span::{Annotation, Endpoint, Kind, Span, Text};
