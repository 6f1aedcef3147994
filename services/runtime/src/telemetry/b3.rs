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
mod single;

#[cfg(test)]
mod tests;

use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
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

/// What B3 says beyond a span's context: rides in a [`Context`] as a value, beside the remote span context, or alone
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

/// Reads and writes one form of B3.
#[derive(Debug)]
pub struct B3Propagator {
    form: B3Form,
    fields: Vec<String>,
}

/// What the headers of one form say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
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

impl B3Propagator {
    /// Of this form.
    pub fn new(form: B3Form) -> Self {
        let fields = match form {
            B3Form::Single => &[single::B3][..],
            B3Form::Multi => &multi::FIELDS,
        };
        Self { form, fields: fields.iter().map(|name| (*name).to_owned()).collect() }
    }
}

impl TextMapPropagator for B3Propagator {
    /// Writes the span context with its decision, or a lone decision; nothing where there is neither.
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let extra = context.get::<B3>().copied();
        let span = context.span();
        let span = span.span_context();
        let said = if span.is_valid() {
            let from_flags = if span.is_sampled() { Decision::Accept } else { Decision::Deny };
            Said::Ids(Ids {
                trace: span.trace_id(),
                span: span.span_id(),
                parent: extra.and_then(|extra| extra.parent),
                decision: extra.map_or(Some(from_flags), |extra| extra.decision),
            })
        } else {
            match extra.and_then(|extra| extra.decision) {
                Some(decision) => Said::Lone(decision),
                None => return,
            }
        };
        match self.form {
            B3Form::Single => single::write(said, injector),
            B3Form::Multi => multi::write(said, injector),
        }
    }

    /// Adds a remote span context and a [`B3`], or a [`B3`] alone; nothing where the headers are absent or malformed.
    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        let said = match self.form {
            B3Form::Single => single::read(extractor),
            B3Form::Multi => multi::read(extractor),
        };
        match said {
            None => context.clone(),
            Some(Said::Lone(decision)) => context.with_value(B3 { decision: Some(decision), parent: None }),
            Some(Said::Ids(Ids { trace, span, parent, decision })) => {
                let is_sampled = decision.is_some_and(Decision::is_sampled);
                let flags = TraceFlags::default().with_sampled(is_sampled);
                let span = SpanContext::new(trace, span, flags, true, TraceState::NONE);
                context.with_remote_span_context(span).with_value(B3 { decision, parent })
            }
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&self.fields)
    }
}

/// The trace's id as B3 and Zipkin write it: 16 digits where 64 bits are all there is.
pub(super) fn trace_id_text(id: TraceId) -> String {
    let number = u128::from_be_bytes(id.to_bytes());
    if number >> 64 == 0 { format!("{number:016x}") } else { format!("{number:032x}") }
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
