//! Ids of traces and spans as text.

use opentelemetry::trace::{SpanId, TraceId};

use super::digits;

/// The ids of a span as text, for log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceIds {
    /// 16 or 32 digits.
    pub trace: String,
    /// 16 digits; `None` where the process makes no span.
    pub span: Option<String>,
}

impl TraceIds {
    pub(super) fn new(trace: TraceId, span: Option<SpanId>) -> Self {
        // Digits are always text.
        let text = |digits: &[u8]| std::str::from_utf8(digits).unwrap_or_default().to_owned();
        let mut ids = Self { trace: String::new(), span: span.map(|span| text(&span_id_digits(span))) };
        write_trace_id(trace, |digits| ids.trace = text(digits));
        ids
    }
}

/// The ids of a span whose trace is sampled.
#[derive(Debug, Clone, Copy)]
pub struct SampledIds {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
}

impl SampledIds {
    pub(crate) fn text(self) -> TraceIds {
        TraceIds::new(self.trace, Some(self.span))
    }
}

/// The trace's id as B3 and Zipkin write it: 16 digits where the upper 64 bits are zero, else 32.
pub(super) fn write_trace_id(id: TraceId, write: impl FnOnce(&[u8])) {
    let number = u128::from_be_bytes(id.to_bytes());
    if number >> 64 == 0 { write(&digits::hex::<16>(number)) } else { write(&digits::hex::<32>(number)) }
}

/// The 16 digits of a span's id.
pub(super) fn span_id_digits(id: SpanId) -> [u8; 16] {
    digits::hex(u64::from_be_bytes(id.to_bytes()).into())
}
