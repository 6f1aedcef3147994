//! B3, as <https://github.com/openzipkin/b3-propagation> has it, in both of its forms.
//!
//! What the specification leaves open is decided so:
//! - An id of 64 bits goes out as 16 digits, one of 128 as 32, as Zipkin's own tracers do. Zipkin takes 16 digits and
//!   the same with 16 zeros before them for the same trace, and a log line that is searched for what the client sent
//!   is found.
//! - Ids are lower-case hexadecimal and not zero. An id that is malformed makes the whole of the headers nothing, so
//!   that the call begins a trace of its own, as Zipkin's own tracers do.
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
    digits,
    propagators::Said,
};

/// What B3 says of sampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Record the trace.
    Accept,
    /// Do not.
    Deny,
    /// Record it, whatever any sampler says.
    Debug,
}

impl Decision {
    /// Whether spans are recorded.
    pub fn is_sampled(self) -> bool {
        self != Self::Deny
    }
}

/// What B3 says beyond a span's context: rides in a [`Context`](opentelemetry::Context) as a value, beside the remote span context, or alone
/// where a decision came without ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct B3 {
    /// `None` where the caller left the decision to us.
    pub decision: Option<Decision>,
    /// The parent of the span that the ids name.
    pub parent: Option<SpanId>,
}

/// One header, or one for each part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum B3Form {
    /// `b3`.
    Single,
    /// `x-b3-traceid` and its siblings.
    Multi,
}

/// What the headers of one form hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// A decision alone, about a trace that has yet to begin.
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

/// What the headers of this form say; `None` where they are absent or malformed.
pub(super) fn read(form: B3Form, headers: &dyn Carrier) -> Option<Said> {
    let held = match form {
        B3Form::Single => single::read(headers),
        B3Form::Multi => multi::read(headers),
    };
    Some(match held? {
        Held::Lone(decision) => {
            Said { caller: None, b3: Some(B3 { decision: Some(decision), parent: None }) }
        }
        Held::Ids(Ids { trace, span, parent, decision }) => {
            let is_sampled = decision.is_some_and(Decision::is_sampled);
            let flags = TraceFlags::default().with_sampled(is_sampled);
            let caller = SpanContext::new(trace, span, flags, true, TraceState::NONE);
            Said { caller: Some(caller), b3: Some(B3 { decision, parent }) }
        }
    })
}

/// Writes a span's ids with what B3 has beside them.
pub(super) fn write(form: B3Form, span: &SpanContext, b3: B3, headers: &mut dyn CarrierMut) {
    let B3 { decision, parent } = b3;
    form.write(Held::Ids(Ids { trace: span.trace_id(), span: span.span_id(), parent, decision }), headers);
}

impl B3Form {
    fn write(self, held: Held, headers: &mut dyn CarrierMut) {
        match self {
            Self::Single => single::write(held, headers),
            Self::Multi => multi::write(held, headers),
        }
    }
}

/// The trace's id as B3 and Zipkin write it: 16 digits where 64 bits are all there is.
pub(super) fn write_trace_id(id: TraceId, write: impl FnOnce(&[u8])) {
    let number = u128::from_be_bytes(id.to_bytes());
    if number >> 64 == 0 { write(&digits::hex::<16>(number)) } else { write(&digits::hex::<32>(number)) }
}

/// The digits of a span's id.
pub(super) fn span_id_digits(id: SpanId) -> [u8; 16] {
    digits::hex(u64::from_be_bytes(id.to_bytes()).into())
}

fn trace_id(text: &str) -> Option<TraceId> {
    let is_long_enough = text.len() == 16 || text.len() == 32;
    lower_hex(text).filter(|_| is_long_enough).map(|id| TraceId::from_bytes(id.to_be_bytes()))
}

fn span_id(text: &str) -> Option<SpanId> {
    let id = lower_hex(text).filter(|_| text.len() == 16)?;
    u64::try_from(id).ok().map(|id| SpanId::from_bytes(id.to_be_bytes()))
}

/// A number that is not zero, of at most 32 digits. The standard library's parser would take a sign and upper case.
fn lower_hex(text: &str) -> Option<u128> {
    let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    let number = text.bytes().all(is_digit).then(|| u128::from_str_radix(text, 16).ok())?;
    number.filter(|number| *number != 0)
}
