//! `b3: {TraceId}-{SpanId}-{SamplingState}-{ParentSpanId}`, the last two optional; or the sampling state alone.

use super::{Decision, HeaderName, Ids, Parsed, span_id, span_id_digits, trace_id, write_trace_id};
use crate::{
    propagation::B3,
    telemetry::carrier::{Carrier, CarrierMut},
};

pub(super) static FIELDS: [HeaderName; 1] = [B3];

pub(super) fn read(headers: &dyn Carrier) -> Option<Parsed> {
    let value = headers.get(&B3)?;
    let mut parts = value.split('-');
    let first = parts.next()?;
    let Some(span) = parts.next() else { return decision(first).map(Parsed::Lone) };
    let ids = Ids {
        trace: trace_id(first)?,
        span: span_id(span)?,
        decision: parts.next().map(|state| decision(state).ok_or(())).transpose().ok()?,
        parent: parts.next().map(|parent| span_id(parent).ok_or(())).transpose().ok()?,
    };
    // B3 has no fifth field.
    parts.next().is_none().then_some(Parsed::Ids(ids))
}

pub(super) fn write(parsed: Parsed, headers: &mut dyn CarrierMut) {
    let (trace, span, parent, decision) = match parsed {
        Parsed::Lone(decision) => return headers.set(B3, letter(decision)),
        Parsed::Ids(Ids { trace, span, parent, decision }) => (trace, span, parent, decision),
    };
    let mut value = Vec::with_capacity(68);
    write_trace_id(trace, |digits| value.extend_from_slice(digits));
    let mut append = |part: &[u8]| {
        value.push(b'-');
        value.extend_from_slice(part);
    };
    append(&span_id_digits(span));
    // The parent follows the decision, so that it needs one.
    if let Some(decision) = decision {
        append(letter(decision));
        if let Some(parent) = parent {
            append(&span_id_digits(parent));
        }
    }
    headers.set(B3, &value);
}

fn decision(state: &str) -> Option<Decision> {
    match state {
        "1" => Some(Decision::Accept),
        "0" => Some(Decision::Deny),
        "d" => Some(Decision::Debug),
        _ => None,
    }
}

fn letter(decision: Decision) -> &'static [u8] {
    match decision {
        Decision::Accept => b"1",
        Decision::Deny => b"0",
        Decision::Debug => b"d",
    }
}
