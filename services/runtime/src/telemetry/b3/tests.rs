#![allow(deprecated, reason = "opentelemetry-zipkin is deprecated, and here only for comparison")]

use std::collections::HashMap;

use opentelemetry::{Context, propagation::TextMapPropagator, trace::TraceContextExt};
use opentelemetry_zipkin::{B3Encoding, Propagator as Other};
use proptest::prelude::*;

use super::*;

type Headers = HashMap<String, String>;

const TRACE: &str = "463ac35c9f6413ad48485a3953bb6124";
const SHORT: &str = "48485a3953bb6124";
const SPAN: &str = "a2fb4a1d1a96d312";
const PARENT: &str = "0020000000000001";

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn extracted(form: B3Form, headers: &Headers) -> Context {
    B3Propagator::new(form).extract_with_context(&Context::new(), headers)
}

fn injected(form: B3Form, context: &Context) -> Headers {
    let mut headers = Headers::new();
    B3Propagator::new(form).inject_context(context, &mut headers);
    headers
}

/// The ids as text, and B3's additions.
fn parts(context: &Context) -> Option<(String, String, B3)> {
    let span = context.span().span_context().clone();
    let b3 = context.get::<B3>().copied();
    if !span.is_valid() {
        return b3.map(|b3| (String::new(), String::new(), b3));
    }
    let b3 = b3.unwrap_or_default();
    assert_eq!(span.is_sampled(), b3.decision.is_some_and(Decision::is_sampled));
    assert!(span.is_remote());
    let mut trace = String::new();
    write_trace_id(span.trace_id(), |digits| trace = String::from_utf8_lossy(digits).into_owned());
    Some((trace, span.span_id().to_string(), b3))
}

fn expected(
    trace: &str,
    span: &str,
    decision: Option<Decision>,
    parent: Option<&str>,
) -> (String, String, B3) {
    let parent = parent.map(|parent| SpanId::from_hex(parent).unwrap());
    (trace.to_owned(), span.to_owned(), B3 { decision, parent })
}

#[test]
fn the_single_header_is_extracted_by_the_specification() {
    use Decision::{Accept, Debug, Deny};
    for (value, expected) in [
        (format!("{TRACE}-{SPAN}-1-{PARENT}"), expected(TRACE, SPAN, Some(Accept), Some(PARENT))),
        (format!("{TRACE}-{SPAN}-1"), expected(TRACE, SPAN, Some(Accept), None)),
        (format!("{TRACE}-{SPAN}-0"), expected(TRACE, SPAN, Some(Deny), None)),
        (format!("{TRACE}-{SPAN}-d-{PARENT}"), expected(TRACE, SPAN, Some(Debug), Some(PARENT))),
        (format!("{TRACE}-{SPAN}"), expected(TRACE, SPAN, None, None)),
        (format!("{SHORT}-{SPAN}-1"), expected(SHORT, SPAN, Some(Accept), None)),
        (format!("0000000000000000{SHORT}-{SPAN}-1"), expected(SHORT, SPAN, Some(Accept), None)),
        ("0".to_owned(), expected("", "", Some(Deny), None)),
        ("1".to_owned(), expected("", "", Some(Accept), None)),
        ("d".to_owned(), expected("", "", Some(Debug), None)),
    ] {
        assert_eq!(parts(&extracted(B3Form::Single, &headers(&[("b3", &value)]))), Some(expected), "{value}");
    }
}

#[test]
fn a_malformed_single_header_is_ignored() {
    for value in [
        String::new(),
        "-".to_owned(),
        "2".to_owned(),
        "true".to_owned(),
        TRACE.to_owned(),
        format!("{TRACE}-"),
        format!("{TRACE}-{SPAN}-"),
        format!("{TRACE}-{SPAN}-true"),
        format!("{TRACE}-{SPAN}-{PARENT}"),
        format!("{TRACE}-{SPAN}-1-"),
        format!("{TRACE}-{SPAN}-1-{PARENT}-"),
        format!("{TRACE}-{SPAN}-1-{TRACE}"),
        format!("+{}-{SPAN}-1", &TRACE[1..]),
        format!("{TRACE}-+{}-1", &SPAN[1..]),
        format!("{}-{SPAN}-1", TRACE.to_uppercase()),
        format!("{TRACE}-{}-1", SPAN.to_uppercase()),
        format!("{}-{SPAN}-1", &TRACE[1..]),
        format!("00000000000000000000000000000000-{SPAN}-1"),
        format!("{TRACE}-0000000000000000-1"),
        format!("{TRACE}-{SPAN}-1-0000000000000000"),
        format!(" {TRACE}-{SPAN}-1"),
        format!("{TRACE}-{SPAN}-1 "),
        "é".repeat(16),
    ] {
        assert_eq!(parts(&extracted(B3Form::Single, &headers(&[("b3", &value)]))), None, "{value}");
    }
}

#[test]
fn the_multiple_headers_are_extracted_by_the_specification() {
    use Decision::{Accept, Debug, Deny};
    let ids = [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)];
    for (more, decision, parent) in [
        (&[][..], None, None),
        (&[("x-b3-sampled", "1")], Some(Accept), None),
        (&[("x-b3-sampled", "true")], Some(Accept), None),
        (&[("x-b3-sampled", "0")], Some(Deny), None),
        (&[("x-b3-sampled", "false")], Some(Deny), None),
        (&[("x-b3-sampled", "")], None, None),
        (&[("x-b3-flags", "1")], Some(Debug), None),
        (&[("x-b3-flags", "1"), ("x-b3-sampled", "0")], Some(Debug), None),
        (&[("x-b3-flags", "0"), ("x-b3-sampled", "1")], Some(Accept), None),
        (&[("x-b3-flags", "other")], None, None),
        (&[("x-b3-sampled", "1"), ("x-b3-parentspanid", PARENT)], Some(Accept), Some(PARENT)),
        (&[("x-b3-sampled", "1"), ("x-b3-parentspanid", "")], Some(Accept), None),
    ] {
        let headers = headers(&[&ids[..], more].concat());
        assert_eq!(
            parts(&extracted(B3Form::Multi, &headers)),
            Some(expected(TRACE, SPAN, decision, parent)),
            "{more:?}"
        );
    }
    for (lone, decision) in
        [(("x-b3-sampled", "0"), Deny), (("x-b3-sampled", "1"), Accept), (("x-b3-flags", "1"), Debug)]
    {
        assert_eq!(
            parts(&extracted(B3Form::Multi, &headers(&[lone]))),
            Some(expected("", "", Some(decision), None))
        );
    }
}

#[test]
fn malformed_multiple_headers_are_ignored() {
    for malformed in [
        &[("x-b3-traceid", TRACE)][..],
        &[("x-b3-spanid", SPAN), ("x-b3-sampled", "1")],
        &[("x-b3-traceid", "x"), ("x-b3-spanid", SPAN)],
        &[("x-b3-traceid", "+63ac35c9f6413ad48485a3953bb6124"), ("x-b3-spanid", SPAN)],
        &[("x-b3-traceid", "463AC35C9F6413AD48485A3953BB6124"), ("x-b3-spanid", SPAN)],
        &[("x-b3-traceid", TRACE), ("x-b3-spanid", "0000000000000000")],
        &[("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", "2")],
        &[("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", "d")],
        &[("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-parentspanid", "x")],
        &[("x-b3-sampled", "maybe")],
        &[("x-b3-flags", "0")],
        &[],
    ] {
        assert_eq!(parts(&extracted(B3Form::Multi, &headers(malformed))), None, "{malformed:?}");
    }
}

#[test]
fn a_span_context_of_another_format_is_injected_with_its_own_decision() {
    let span = |flags| {
        let (trace, span) = (TraceId::from_hex(TRACE).unwrap(), SpanId::from_hex(SPAN).unwrap());
        let span = SpanContext::new(trace, span, flags, true, TraceState::NONE);
        Context::new().with_remote_span_context(span)
    };
    assert_eq!(
        injected(B3Form::Multi, &span(TraceFlags::SAMPLED)),
        headers(&[("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1")])
    );
    assert_eq!(
        injected(B3Form::Single, &span(TraceFlags::NOT_SAMPLED)),
        headers(&[("b3", &format!("{TRACE}-{SPAN}-0"))])
    );
    assert_eq!(injected(B3Form::Multi, &Context::new()), headers(&[]));
}

/// The forms, and their names in opentelemetry-zipkin.
fn forms() -> [(B3Form, B3Encoding); 2] {
    [(B3Form::Single, B3Encoding::SingleHeader), (B3Form::Multi, B3Encoding::MultipleHeader)]
}

fn decision() -> impl Strategy<Value = Option<Decision>> {
    proptest::option::of(prop_oneof![Just(Decision::Accept), Just(Decision::Deny), Just(Decision::Debug)])
}

fn well_formed() -> impl Strategy<Value = Ids> {
    let trace = prop_oneof![1_u128..=u128::from(u64::MAX), 1_u128..];
    let trace = trace.prop_map(|id: u128| TraceId::from_bytes(id.to_be_bytes()));
    let span = || (1_u64..).prop_map(|id| SpanId::from_bytes(id.to_be_bytes()));
    (trace, span(), proptest::option::of(span()), decision())
        .prop_map(|(trace, span, parent, decision)| Ids { trace, span, parent, decision })
}

fn context(ids: Ids) -> Context {
    let flags = TraceFlags::default().with_sampled(ids.decision.is_some_and(Decision::is_sampled));
    let span = SpanContext::new(ids.trace, ids.span, flags, true, TraceState::NONE);
    let b3 = B3 { decision: ids.decision, parent: ids.parent };
    Context::new().with_remote_span_context(span).with_value(b3)
}

proptest! {
    #[test]
    fn injected_headers_are_extracted_again(ids in well_formed()) {
        let context = context(ids);
        prop_assert_eq!(parts(&extracted(B3Form::Multi, &injected(B3Form::Multi, &context))), parts(&context));
        let single = parts(&extracted(B3Form::Single, &injected(B3Form::Single, &context)));
        // Without a decision the single header has no field for a parent.
        let parent = ids.parent.filter(|_| ids.decision.is_some());
        let expected = self::context(Ids { parent, ..ids });
        prop_assert_eq!(single, parts(&expected));
    }

    #[test]
    fn any_text_is_parsed_and_valid_headers_are_injected_unchanged(value in "[0-9a-fd+-]{0,70}") {
        let context = extracted(B3Form::Single, &headers(&[("b3", &value)]));
        if parts(&context).is_some() {
            // Except for leading zeros of a short id.
            let short = value.strip_prefix("0000000000000000").unwrap_or(&value).to_owned();
            let written = injected(B3Form::Single, &context);
            prop_assert!(written["b3"] == value || written["b3"] == short);
        }
    }

    #[test]
    fn opentelemetrys_own_propagator_extracts_our_headers(ids in well_formed()) {
        let context = context(ids);
        for (form, encoding) in forms() {
            let other = Other::with_encoding(encoding);
            let read = other.extract_with_context(&Context::new(), &injected(form, &context));
            let read = read.span().span_context().clone();
            prop_assert_eq!((read.trace_id(), read.span_id()), (ids.trace, ids.span));
            // It keeps debug and deferred in its own flags, and treats debug in a single header as unsampled.
            if ids.decision != Some(Decision::Debug) {
                prop_assert_eq!(read.is_sampled(), ids.decision == Some(Decision::Accept));
            }
        }
    }

    #[test]
    fn headers_of_opentelemetrys_own_propagator_are_extracted(ids in well_formed(), is_sampled: bool) {
        let flags = TraceFlags::default().with_sampled(is_sampled);
        let span = SpanContext::new(ids.trace, ids.span, flags, true, TraceState::NONE);
        let context = Context::new().with_remote_span_context(span.clone());
        for (form, encoding) in forms() {
            let mut headers = Headers::new();
            Other::with_encoding(encoding).inject_context(&context, &mut headers);
            let read = extracted(form, &headers);
            prop_assert_eq!(read.span().span_context().clone(), span.clone());
            // It injects both forms where the single one is configured, and pads ids of 64 bits with 16 zeros.
            if ids.trace.to_bytes()[0] != 0 {
                for (name, value) in injected(form, &context) {
                    prop_assert_eq!(headers.get(&name), Some(&value));
                }
            }
        }
    }
}
