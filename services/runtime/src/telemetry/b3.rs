//! B3 propagation in both of its forms (<https://github.com/openzipkin/b3-propagation>).
//!
//! Where the specification leaves a choice:
//! - A 64-bit trace id is written as 16 digits, a 128-bit one as 32, as Zipkin's own tracers do. Zipkin treats 16 digits and
//!   the same with 16 leading zeros as one trace, and log lines contain the id that the client sent.
//! - Ids are lower-case hexadecimal and not zero. A malformed id invalidates all B3 headers of the call, which then starts a
//!   new trace, as Zipkin's own tracers do.
//! - An empty header counts as absent: proxies have sent an empty `x-b3-parentspanid`.

mod multi;
mod propagator;
mod single;

#[cfg(test)]
mod tests;

use http::HeaderName;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

pub use self::propagator::B3Propagator;
use super::{
    carrier::{Carrier, CarrierMut},
    extracted::{B3, Decision, Extracted},
    trace_ids::{span_id_digits, write_trace_id},
};

/// One header, or one for each field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum B3Form {
    /// `b3`.
    Single,
    /// `x-b3-traceid` and its siblings.
    Multi,
}

/// The parsed headers of one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parsed {
    /// A decision without ids, for a trace that has not started.
    Lone(Decision),
    Ids(Ids),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ids {
    trace: TraceId,
    span: SpanId,
    parent: Option<SpanId>,
    decision: Option<Decision>,
}

/// Extracts the headers of this form; `None` where they are absent or malformed.
pub(super) fn read(form: B3Form, headers: &dyn Carrier) -> Option<Extracted> {
    let parsed = match form {
        B3Form::Single => single::read(headers),
        B3Form::Multi => multi::read(headers),
    };
    Some(match parsed? {
        Parsed::Lone(decision) => {
            Extracted { caller: None, b3: Some(B3 { decision: Some(decision), parent: None }), state: None }
        }
        Parsed::Ids(Ids { trace, span, parent, decision }) => {
            let is_sampled = decision.is_some_and(Decision::is_sampled);
            let flags = TraceFlags::default().with_sampled(is_sampled);
            let caller = SpanContext::new(trace, span, flags, true, TraceState::NONE);
            Extracted { caller: Some(caller), b3: Some(B3 { decision, parent }), state: None }
        }
    })
}

/// Writes a span's ids with B3's additions.
pub(super) fn write(form: B3Form, span: &SpanContext, b3: B3, headers: &mut dyn CarrierMut) {
    let B3 { decision, parent } = b3;
    form.write(Parsed::Ids(Ids { trace: span.trace_id(), span: span.span_id(), parent, decision }), headers);
}

impl B3Form {
    fn write(self, parsed: Parsed, headers: &mut dyn CarrierMut) {
        match self {
            Self::Single => single::write(parsed, headers),
            Self::Multi => multi::write(parsed, headers),
        }
    }
}

fn trace_id(text: &str) -> Option<TraceId> {
    let is_long_enough = text.len() == 16 || text.len() == 32;
    lower_hex(text).filter(|_| is_long_enough).map(|id| TraceId::from_bytes(id.to_be_bytes()))
}

fn span_id(text: &str) -> Option<SpanId> {
    let id = lower_hex(text).filter(|_| text.len() == 16)?;
    u64::try_from(id).ok().map(|id| SpanId::from_bytes(id.to_be_bytes()))
}

/// A number of up to 32 digits, not zero. The standard library's parser accepts a sign and upper case.
fn lower_hex(text: &str) -> Option<u128> {
    let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    let number = text.bytes().all(is_digit).then(|| u128::from_str_radix(text, 16).ok())?;
    number.filter(|number| *number != 0)
}
