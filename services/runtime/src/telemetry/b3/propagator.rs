//! B3 on the SDK's `TextMapPropagator`.

use std::borrow::Cow;

use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
    trace::TraceContextExt,
};

use super::{B3, B3Form, Decision, Extracted, HeaderName, Parsed, multi, read, single, write};
use crate::telemetry::carrier::{Carrier, CarrierMut, joined};

/// Extracts and injects one form of B3.
#[derive(Debug)]
pub struct B3Propagator {
    form: B3Form,
    fields: Vec<String>,
}

impl B3Propagator {
    /// A propagator of this form.
    pub fn new(form: B3Form) -> Self {
        let fields = match form {
            B3Form::Single => &single::FIELDS[..],
            B3Form::Multi => &multi::FIELDS,
        };
        Self { form, fields: fields.iter().map(ToString::to_string).collect() }
    }
}

impl TextMapPropagator for B3Propagator {
    /// Writes the span context with its decision, or a lone decision.
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let b3 = context.get::<B3>().copied();
        let span = context.span();
        let span = span.span_context();
        let mut carrier = InjectorCarrier(injector);
        if span.is_valid() {
            let from_flags = if span.is_sampled() { Decision::Accept } else { Decision::Deny };
            let b3 = b3.unwrap_or(B3 { decision: Some(from_flags), parent: None });
            write(self.form, span, b3, &mut carrier);
        } else if let Some(decision) = b3.and_then(|b3| b3.decision) {
            self.form.write(Parsed::Lone(decision), &mut carrier);
        }
    }

    /// Adds a remote span context and a [`B3`], or a [`B3`] alone. Absent or malformed headers add nothing.
    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        let Extracted { caller, b3, .. } = read(self.form, &ExtractorCarrier(extractor)).unwrap_or_default();
        let context =
            caller.map_or_else(|| context.clone(), |caller| context.with_remote_span_context(caller));
        b3.map_or_else(|| context.clone(), |b3| context.with_value(b3))
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&self.fields)
    }
}

struct ExtractorCarrier<'a>(&'a dyn Extractor);

impl Carrier for ExtractorCarrier<'_> {
    fn get(&self, name: &HeaderName) -> Option<&str> {
        self.0.get(name.as_str())
    }

    fn only(&self, name: &HeaderName) -> Option<&str> {
        self.get(name)
    }

    fn list(&self, name: &HeaderName) -> Option<Cow<'_, str>> {
        joined(self.0.get_all(name.as_str())?)
    }
}

struct InjectorCarrier<'a>(&'a mut dyn Injector);

impl CarrierMut for InjectorCarrier<'_> {
    fn set(&mut self, name: HeaderName, value: &[u8]) {
        self.0.set(name.as_str(), String::from_utf8_lossy(value).into_owned());
    }
}
