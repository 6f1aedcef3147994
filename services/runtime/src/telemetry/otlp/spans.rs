//! Exports spans. A span is encoded as it ends.

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};

use super::{
    client::{Client, Messages},
    encode,
};
use crate::telemetry::{
    batch::{Exporter, SpanExporter},
    record::Ended,
    shape::{Fragment, ShapeParts},
};

/// Bytes after which a batch is full: below the 4 MiB that gRPC servers accept.
pub(super) const FULL: usize = 1024 * 1024;

/// Bytes that a batch reserves.
const INITIAL_CAPACITY: usize = 16 * 1024;

struct Traces;

impl Messages for Traces {
    type Request = ExportTraceServiceRequest;
    type Response = ExportTraceServiceResponse;
    const ITEMS: &'static str = "spans";

    fn rejected(response: Self::Response) -> Option<(i64, String)> {
        response.partial_success.map(|partial| (partial.rejected_spans, partial.error_message))
    }
}

/// Posts batches of spans to an OTLP backend.
pub(in crate::telemetry) struct OtlpSpanExporter(pub(in crate::telemetry) Client);

impl Exporter for OtlpSpanExporter {
    const ITEMS: &'static str = Traces::ITEMS;

    type Item<'a> = Ended<'a>;

    /// Elements of `ScopeSpans.spans`.
    type Batch = Vec<u8>;

    fn name(&self) -> &'static str {
        "otlp"
    }

    fn add(&self, batch: &mut Vec<u8>, span: Ended<'_>) {
        if batch.is_empty() {
            batch.reserve(INITIAL_CAPACITY);
        }
        encode::span(batch, span);
    }

    fn is_large(&self, batch: &Vec<u8>) -> bool {
        batch.len() >= FULL
    }

    fn reports_dropped(&self) -> bool {
        true
    }

    async fn export(&self, batch: Vec<u8>, dropped: u64) -> Result<usize, String> {
        self.0.post::<Traces>(&batch, dropped).await
    }
}

impl SpanExporter for OtlpSpanExporter {
    fn shape(&self, shape: &ShapeParts<'_>) -> Fragment {
        encode::shape(shape)
    }
}

#[cfg(test)]
mod tests;
