//! W3C Trace Context, parsed by the SDK after a check that follows the recommendation: the SDK's parser also accepts ids
//! that are too short or have a sign (<https://www.w3.org/TR/trace-context/#traceparent-header>).

use std::borrow::Cow;

use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator},
    trace::{SpanContext, TraceContextExt, TraceId, TraceState},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;

use super::{
    carrier::{Carrier, CarrierMut},
    digits,
};
use crate::propagation::{TRACEPARENT, TRACESTATE};

/// The caller that `traceparent` and `tracestate` identify; `None` where they are absent or malformed.
pub(super) fn read(headers: &dyn Carrier) -> Option<SpanContext> {
    let parent = headers.get(&TRACEPARENT).filter(|value| is_valid(value))?;
    let headers = Headers { parent, state: headers.list(&TRACESTATE) };
    let read = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
    read.has_active_span().then(|| read.span().span_context().clone())
}

/// The `tracestate` beside a `traceparent` of the same trace.
pub(super) fn state_of(trace: TraceId, headers: &dyn Carrier) -> Option<TraceState> {
    headers.get(&TRACESTATE)?;
    let caller = read(headers).filter(|caller| caller.trace_id() == trace)?;
    Some(caller.trace_state().clone())
}

/// Writes `traceparent`, and `tracestate` where the trace has one.
pub(super) fn write(span: &SpanContext, headers: &mut dyn CarrierMut) {
    let trace = digits::hex::<32>(u128::from_be_bytes(span.trace_id().to_bytes()));
    let id = digits::hex::<16>(u64::from_be_bytes(span.span_id().to_bytes()).into());
    let flags: &[u8] = if span.is_sampled() { b"01" } else { b"00" };
    let value = [b"00", &trace[..], &id, flags].join(&b'-');
    headers.set(TRACEPARENT, &value);
    let state = span.trace_state().header();
    headers.set(TRACESTATE, state.as_bytes());
}

/// The two headers for the SDK's parser, which reads no others and one value of each.
struct Headers<'a> {
    parent: &'a str,
    /// "When receiving multiple tracestate header fields, they MUST be combined into a single header."
    state: Option<Cow<'a, str>>,
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        if TRACEPARENT == key {
            return Some(self.parent);
        }
        self.state.as_deref().filter(|_| TRACESTATE == key)
    }

    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// `version-traceid-parentid-flags` in lower-case hexadecimal; versions after 00 may have more fields.
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
    use std::collections::HashMap;

    use http::HeaderMap;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn headers_equal_those_of_the_sdk() {
        let state = TraceState::from_key_value([("a", "1"), ("b", "2")]).unwrap();
        for (flags, state) in [(1, state), (0, TraceState::NONE)] {
            let (trace, id) = ((0xaf76_u128 << 100) + 7, 0x00f0_67aa_0ba9_02b7_u64);
            let flags = opentelemetry::trace::TraceFlags::new(flags);
            let span = SpanContext::new(trace.into(), id.into(), flags, true, state);
            let mut ours = HeaderMap::new();
            write(&span, &mut ours);
            let context = Context::new().with_remote_span_context(span.clone());
            let mut theirs = HashMap::new();
            TraceContextPropagator::new().inject_context(&context, &mut theirs);
            let theirs: HashMap<String, String> = theirs;
            for (name, value) in &theirs {
                let ours = ours.get(name).map_or("", |value| value.to_str().unwrap());
                assert_eq!(ours, value, "{name}");
            }
            assert_eq!(read(&ours), Some(span));
        }
    }

    #[test]
    fn repeated_tracestate_headers_are_one_list() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let states = ["rojo=00f067aa0ba902b7 ", "", "\t, congo=t61rcWkgMzE"];
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, parent.parse().unwrap());
        for state in states {
            headers.append(TRACESTATE, state.parse().unwrap());
        }
        let message: Vec<(String, String)> = std::iter::once(("traceparent", parent.as_str()))
            .chain(states.map(|state| ("Tracestate", state)))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for carrier in [&headers as &dyn Carrier, &&message[..]] {
            let state = read(carrier).expect("a caller").trace_state().header();
            assert_eq!(state, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
        }
    }

    #[test]
    fn an_invalid_traceparent_is_refused() {
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
