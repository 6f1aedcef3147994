//! W3C Trace Context: the SDK's own propagator, behind a door that lets in what the recommendation calls valid.
//!
//! The SDK's parser takes ids that are too short, and a sign before them
//! (<https://www.w3.org/TR/trace-context/#traceparent-header>).

use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// Reads and writes `traceparent` and `tracestate`.
#[derive(Debug, Default)]
pub(super) struct W3cPropagator(TraceContextPropagator);

impl TextMapPropagator for W3cPropagator {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        self.0.inject_context(context, injector);
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        match extractor.get("traceparent") {
            Some(value) if is_valid(value) => self.0.extract_with_context(context, extractor),
            _ => context.clone(),
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        self.0.fields()
    }
}

/// `version-traceid-parentid-flags` in lower-case hexadecimal; a version after 00 may have more behind it.
fn is_valid(value: &str) -> bool {
    let mut parts = value.split('-');
    let mut is_hex = |digits: usize| {
        parts.next().is_some_and(|part| {
            part.len() == digits && part.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    let is_whole = is_hex(2) && is_hex(32) && is_hex(16) && is_hex(2);
    is_whole && !value.starts_with("ff") && (parts.next().is_none() || !value.starts_with("00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_recommendation_calls_invalid_is_refused() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        const SPAN: &str = "b7ad6b7169203331";
        for valid in [format!("00-{TRACE}-{SPAN}-01"), format!("01-{TRACE}-{SPAN}-01-more")] {
            assert!(is_valid(&valid), "{valid}");
        }
        for invalid in [
            String::new(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-1-{SPAN}-01"),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}-1-01"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("ff-{TRACE}-{SPAN}-01"),
        ] {
            assert!(!is_valid(&invalid), "{invalid}");
        }
    }
}
