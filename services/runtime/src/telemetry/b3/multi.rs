//! `X-B3-TraceId` and its siblings, in the lower case that HTTP/2 wants.

use opentelemetry::propagation::{Extractor, Injector};

use super::{Decision, Ids, Said, span_id, trace_id, trace_id_text};

const TRACE_ID: &str = "x-b3-traceid";
const SPAN_ID: &str = "x-b3-spanid";
const PARENT_SPAN_ID: &str = "x-b3-parentspanid";
const SAMPLED: &str = "x-b3-sampled";
const FLAGS: &str = "x-b3-flags";

pub(super) const FIELDS: [&str; 5] = [TRACE_ID, SPAN_ID, PARENT_SPAN_ID, SAMPLED, FLAGS];

pub(super) fn read(extractor: &dyn Extractor) -> Option<Said> {
    let get = |name| extractor.get(name).filter(|value| !value.is_empty());
    // "Debug implies an accept decision": whatever else is said of sampling, it holds. Other flags are ignored.
    let decision = match (get(FLAGS), get(SAMPLED)) {
        (Some("1"), _) => Some(Decision::Debug),
        (_, None) => None,
        // "A lenient implementation may accept" what tracers wrote before the specification.
        (_, Some("1" | "true")) => Some(Decision::Accept),
        (_, Some("0" | "false")) => Some(Decision::Deny),
        (_, Some(_)) => return None,
    };
    let (trace, span) = match (get(TRACE_ID), get(SPAN_ID)) {
        (None, None) => return decision.map(Said::Lone),
        (Some(trace), Some(span)) => (trace_id(trace)?, span_id(span)?),
        _ => return None,
    };
    let parent = get(PARENT_SPAN_ID).map(|parent| span_id(parent).ok_or(())).transpose().ok()?;
    Some(Said::Ids(Ids { trace, span, parent, decision }))
}

pub(super) fn write(said: Said, injector: &mut dyn Injector) {
    let decision = match said {
        Said::Lone(decision) => Some(decision),
        Said::Ids(Ids { trace, span, parent, decision }) => {
            injector.set(TRACE_ID, trace_id_text(trace));
            injector.set(SPAN_ID, span.to_string());
            if let Some(parent) = parent {
                injector.set(PARENT_SPAN_ID, parent.to_string());
            }
            decision
        }
    };
    match decision {
        // "Debug implies an accept decision, so don't also send the X-B3-Sampled header."
        Some(Decision::Debug) => injector.set(FLAGS, "1".to_owned()),
        Some(Decision::Accept) => injector.set(SAMPLED, "1".to_owned()),
        Some(Decision::Deny) => injector.set(SAMPLED, "0".to_owned()),
        None => {}
    }
}
