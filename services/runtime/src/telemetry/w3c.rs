//! W3C Trace Context (<https://www.w3.org/TR/trace-context-2/>).
//!
//! The SDK's propagator drops the random flag, accepts a `tracestate` with empty values, keeps the first 32 members of a
//! longer one, and refuses a system id of 14 characters.

use std::sync::Arc;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

use super::{
    carrier::{Carrier, CarrierMut},
    digits,
};
use crate::propagation::{TRACEPARENT, TRACESTATE};

/// The flag of a trace id whose lower 56 bits are random. It belongs to the id, so that it passes from hop to hop.
pub(super) const RANDOM: TraceFlags = TraceFlags::new(0b10);

/// The known flags.
const FLAGS: u8 = 0b11;

const MAX_MEMBERS: usize = 32;

/// The caller that `traceparent` identifies, and the `tracestate` to pass on; `None` where `traceparent` is absent, malformed
/// or repeated. A malformed `tracestate` is discarded.
pub(super) fn read(headers: &dyn Carrier) -> Option<(SpanContext, Option<Arc<str>>)> {
    let (trace, span, flags) = parse(headers.only(&TRACEPARENT)?)?;
    // "When receiving multiple tracestate header fields, they MUST be combined into a single header."
    let members = headers.list(&TRACESTATE);
    let members = members.as_deref().and_then(members_of).unwrap_or_default();
    let passed: Vec<String> = members.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let passed = (!passed.is_empty()).then(|| passed.join(",").into());
    // For the export: the SDK's type does not accept all valid keys.
    let state = TraceState::from_key_value(members).unwrap_or_default();
    let caller = SpanContext::new(trace, span, flags, true, state);
    caller.is_valid().then_some((caller, passed))
}

/// As [`read`], only where there is a `tracestate`.
pub(super) fn read_state(headers: &dyn Carrier) -> Option<(SpanContext, Option<Arc<str>>)> {
    headers.get(&TRACESTATE)?;
    read(headers)
}

/// Writes `traceparent`, and `tracestate` where the trace has one.
pub(super) fn write(span: &SpanContext, state: Option<&str>, headers: &mut dyn CarrierMut) {
    let trace = digits::hex::<32>(u128::from_be_bytes(span.trace_id().to_bytes()));
    let id = digits::hex::<16>(u64::from_be_bytes(span.span_id().to_bytes()).into());
    let flags = digits::hex::<2>((span.trace_flags().to_u8() & FLAGS).into());
    let value = [b"00", &trace[..], &id, &flags].join(&b'-');
    headers.set(TRACEPARENT, &value);
    headers.set(TRACESTATE, state.unwrap_or_default().as_bytes());
}

/// `version-traceid-parentid-flags` in lower-case hexadecimal; versions after 00 may have more fields.
fn parse(value: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let mut parts = value.split('-');
    let mut hex = |digits: usize| {
        let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        parts.next().filter(|part| part.len() == digits && part.bytes().all(is_digit))
    };
    let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    if version == "ff" || version == "00" && parts.next().is_some() {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()? & FLAGS;
    Some((TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?, TraceFlags::new(flags)))
}

/// The members of a list of up to 32; `None` where it is longer or one of them is malformed.
fn members_of(list: &str) -> Option<Vec<(&str, &str)>> {
    let members = list.split(',').map(|member| member.trim_matches([' ', '\t']));
    let members = members.filter(|member| !member.is_empty()).map(|member| {
        let (key, value) = member.split_once('=')?;
        (is_key(key) && is_value(value)).then_some((key, value))
    });
    let members: Vec<_> = members.collect::<Option<_>>()?;
    (members.len() <= MAX_MEMBERS).then_some(members)
}

/// A key of up to 256 characters, or `tenant@system` of up to 241 and 14.
fn is_key(key: &str) -> bool {
    let is_part = |part: &str, max: usize, may_start_with_digit: bool| {
        let is_start = |byte: u8| byte.is_ascii_lowercase() || may_start_with_digit && byte.is_ascii_digit();
        let is_rest =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(&byte);
        part.len() <= max && part.bytes().next().is_some_and(is_start) && part.bytes().all(is_rest)
    };
    match key.split_once('@') {
        None => is_part(key, 256, true),
        Some((tenant, system)) => is_part(tenant, 241, true) && is_part(system, 14, false),
    }
}

/// Up to 256 printable ASCII characters without `,` and `=`.
fn is_value(value: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use http::HeaderMap;
    use opentelemetry::{Context, propagation::TextMapPropagator, trace::TraceContextExt};
    use opentelemetry_sdk::propagation::TraceContextPropagator;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn headers(parents: &[&str], states: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for parent in parents {
            headers.append(TRACEPARENT, parent.parse().unwrap());
        }
        for state in states {
            headers.append(TRACESTATE, state.parse().unwrap());
        }
        headers
    }

    #[test]
    fn headers_equal_those_of_the_sdk() {
        let state = TraceState::from_key_value([("a", "1"), ("b", "2")]).unwrap();
        for (flags, state) in [(1, state), (0, TraceState::NONE)] {
            let (trace, id) = ((0xaf76_u128 << 100) + 7, 0x00f0_67aa_0ba9_02b7_u64);
            let span = SpanContext::new(trace.into(), id.into(), TraceFlags::new(flags), true, state.clone());
            let mut ours = HeaderMap::new();
            write(&span, Some(&state.header()), &mut ours);
            let context = Context::new().with_remote_span_context(span.clone());
            let mut theirs = HashMap::new();
            TraceContextPropagator::new().inject_context(&context, &mut theirs);
            let theirs: HashMap<String, String> = theirs;
            for (name, value) in &theirs {
                let ours = ours.get(name).map_or("", |value| value.to_str().unwrap());
                assert_eq!(ours, value, "{name}");
            }
            assert_eq!(read(&ours).expect("a caller").0, span);
        }
    }

    #[test]
    fn repeated_tracestate_headers_are_one_list() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let states = ["rojo=00f067aa0ba902b7 ", "", "\t, congo=t61rcWkgMzE"];
        let headers = headers(&[&parent], &states);
        let message: Vec<(String, String)> = std::iter::once(("traceparent", parent.as_str()))
            .chain(states.map(|state| ("Tracestate", state)))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for carrier in [&headers as &dyn Carrier, &&message[..]] {
            let (_, state) = read(carrier).expect("a caller");
            assert_eq!(state.as_deref(), Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
        }
    }

    #[test]
    fn a_repeated_traceparent_starts_a_new_trace() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        assert!(read(&headers(&[&parent], &[])).is_some());
        assert_eq!(read(&headers(&[&parent, &parent], &[])), None);
        let message = [("traceparent".to_owned(), parent.clone()), ("Traceparent".to_owned(), parent)];
        assert_eq!(read(&&message[..]), None);
    }

    #[test]
    fn the_random_flag_passes_and_unknown_flags_do_not() {
        for (received, sent) in
            [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("ff", "03"), ("08", "00")]
        {
            let (caller, _) =
                read(&headers(&[&format!("00-{TRACE}-{SPAN}-{received}")], &[])).expect("a caller");
            let mut out = HeaderMap::new();
            write(&caller, None, &mut out);
            assert_eq!(out[TRACEPARENT], format!("00-{TRACE}-{SPAN}-{sent}"), "{received}");
        }
    }

    #[test]
    fn an_invalid_traceparent_is_refused() {
        for valid in [
            format!("00-{TRACE}-{SPAN}-01"),
            format!("01-{TRACE}-{SPAN}-01-more"),
            format!("cc-{TRACE}-{SPAN}-01"),
        ] {
            assert!(read(&headers(&[&valid], &[])).is_some(), "{valid}");
        }
        for invalid in [
            String::new(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-1-{SPAN}-01"),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}-1-01"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-.0"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("cc-{TRACE}-{SPAN}-01.more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
        ] {
            assert_eq!(read(&headers(&[&invalid], &[])), None, "{invalid}");
        }
    }

    #[test]
    fn an_invalid_tracestate_is_discarded_and_the_trace_is_kept() {
        let members =
            |count: usize| (0..count).map(|index| format!("k{index}=1")).collect::<Vec<_>>().join(",");
        let passes = |state: &str| {
            let headers = headers(&[&format!("00-{TRACE}-{SPAN}-01")], &[state]);
            read(&headers).expect("a caller").1.is_some()
        };
        for valid in [
            "foo=1",
            "foo=1 \t , \t bar=2",
            "foo=1,",
            "fw529a3039@dt=1",
            "0tenant@s=1",
            "foo=a b",
            &members(32),
            &format!("{}=1", "z".repeat(256)),
            &format!("{}@{}=1", "t".repeat(241), "v".repeat(14)),
            &format!("foo={}", "v".repeat(256)),
        ] {
            assert!(passes(valid), "{valid}");
        }
        for invalid in [
            "foo",
            "foo=",
            "=1",
            "foo =1",
            "FOO=1",
            "foo.bar=1",
            "foo@=1",
            "@foo=1",
            "foo@@bar=1",
            "foo@bar@baz=1",
            "foo@0bar=1",
            "foo=bar=baz",
            &members(33),
            &format!("{}=1", "z".repeat(257)),
            &format!("{}@v=1", "t".repeat(242)),
            &format!("t@{}=1", "v".repeat(15)),
            &format!("foo={}", "v".repeat(257)),
        ] {
            assert!(!passes(invalid), "{invalid}");
        }
    }
}
