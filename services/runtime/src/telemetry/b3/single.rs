//! `b3: {TraceId}-{SpanId}-{SamplingState}-{ParentSpanId}`, the last two optional; or the sampling state alone.

use opentelemetry::propagation::{Extractor, Injector};

use super::{Decision, Ids, Said, span_id, trace_id, trace_id_text};

pub(super) const B3: &str = "b3";

pub(super) fn read(extractor: &dyn Extractor) -> Option<Said> {
    let value = extractor.get(B3)?;
    let mut parts = value.split('-');
    let first = parts.next()?;
    let Some(span) = parts.next() else { return decision(first).map(Said::Lone) };
    let ids = Ids {
        trace: trace_id(first)?,
        span: span_id(span)?,
        decision: parts.next().map(|state| decision(state).ok_or(())).transpose().ok()?,
        parent: parts.next().map(|parent| span_id(parent).ok_or(())).transpose().ok()?,
    };
    // A fifth part is nothing that B3 knows.
    parts.next().is_none().then_some(Said::Ids(ids))
}

pub(super) fn write(said: Said, injector: &mut dyn Injector) {
    let value = match said {
        Said::Lone(decision) => letter(decision).to_owned(),
        Said::Ids(Ids { trace, span, parent, decision }) => {
            let mut value = format!("{}-{span}", trace_id_text(trace));
            // The parent's place is behind the decision, so that without one it has no place.
            if let Some(decision) = decision {
                value.push('-');
                value.push_str(letter(decision));
                if let Some(parent) = parent {
                    value.push('-');
                    value.push_str(&parent.to_string());
                }
            }
            value
        }
    };
    injector.set(B3, value);
}

fn decision(state: &str) -> Option<Decision> {
    match state {
        "1" => Some(Decision::Accept),
        "0" => Some(Decision::Deny),
        "d" => Some(Decision::Debug),
        _ => None,
    }
}

fn letter(decision: Decision) -> &'static str {
    match decision {
        Decision::Accept => "1",
        Decision::Deny => "0",
        Decision::Debug => "d",
    }
}
