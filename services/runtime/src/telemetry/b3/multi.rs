//! `X-B3-TraceId` and its siblings, in HTTP/2's lower case.

use super::{Decision, HeaderName, Ids, Parsed, span_id, span_id_digits, trace_id, write_trace_id};
use crate::{
    propagation::{X_B3_FLAGS, X_B3_PARENTSPANID, X_B3_SAMPLED, X_B3_SPANID, X_B3_TRACEID},
    telemetry::carrier::{Carrier, CarrierMut},
};

pub(super) static FIELDS: [HeaderName; 5] =
    [X_B3_TRACEID, X_B3_SPANID, X_B3_PARENTSPANID, X_B3_SAMPLED, X_B3_FLAGS];

pub(super) fn read(headers: &dyn Carrier) -> Option<Parsed> {
    let get = |name| headers.get(&name).filter(|value| !value.is_empty());
    // "Debug implies an accept decision", whatever `x-b3-sampled` contains. Other flags are ignored.
    let decision = match (get(X_B3_FLAGS), get(X_B3_SAMPLED)) {
        (Some("1"), _) => Some(Decision::Debug),
        (_, None) => None,
        // "A lenient implementation may accept" the values of tracers older than the specification.
        (_, Some("1" | "true")) => Some(Decision::Accept),
        (_, Some("0" | "false")) => Some(Decision::Deny),
        (_, Some(_)) => return None,
    };
    let (trace, span) = match (get(X_B3_TRACEID), get(X_B3_SPANID)) {
        (None, None) => return decision.map(Parsed::Lone),
        (Some(trace), Some(span)) => (trace_id(trace)?, span_id(span)?),
        _ => return None,
    };
    let parent = get(X_B3_PARENTSPANID).map(|parent| span_id(parent).ok_or(())).transpose().ok()?;
    Some(Parsed::Ids(Ids { trace, span, parent, decision }))
}

pub(super) fn write(parsed: Parsed, headers: &mut dyn CarrierMut) {
    let decision = match parsed {
        Parsed::Lone(decision) => Some(decision),
        Parsed::Ids(Ids { trace, span, parent, decision }) => {
            write_trace_id(trace, |digits| headers.set(X_B3_TRACEID, digits));
            headers.set(X_B3_SPANID, &span_id_digits(span));
            if let Some(parent) = parent {
                headers.set(X_B3_PARENTSPANID, &span_id_digits(parent));
            }
            decision
        }
    };
    match decision {
        // "Debug implies an accept decision, so don't also send the X-B3-Sampled header."
        Some(Decision::Debug) => headers.set(X_B3_FLAGS, b"1"),
        Some(Decision::Accept) => headers.set(X_B3_SAMPLED, b"1"),
        Some(Decision::Deny) => headers.set(X_B3_SAMPLED, b"0"),
        None => {}
    }
}
