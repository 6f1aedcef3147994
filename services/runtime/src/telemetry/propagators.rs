//! The formats in which a trace's context comes and goes: `OTEL_PROPAGATORS`.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::TraceContextExt,
};

use super::{
    b3::{B3, B3Form, B3Propagator},
    w3c::W3cPropagator,
};
use crate::{environment::Environment, propagation::TRACE_HEADERS};

/// A format that a call's context is read from or written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    B3Multi,
    B3Single,
    TraceContext,
}

/// Reads the first valid format, and writes each.
#[derive(Debug)]
pub struct Propagators {
    read: Vec<Box<dyn TextMapPropagator + Send + Sync>>,
    write: Vec<Box<dyn TextMapPropagator + Send + Sync>>,
}

/// Which formats, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PropagatorSettings {
    read: Vec<Format>,
    write: Vec<Format>,
}

impl PropagatorSettings {
    /// Reads `OTEL_PROPAGATORS`: a list of `b3multi`, `b3`, `tracecontext` and `baggage`, or `none`.
    ///
    /// Unset, all are read, B3 first, and B3's many headers and W3C's are written. Baggage always passes from hop to hop
    /// as it came, since no service adds to it; naming it is allowed and changes nothing.
    pub(super) fn from_environment(environment: &mut Environment<'_>) -> Self {
        let default = Self {
            read: vec![Format::B3Multi, Format::B3Single, Format::TraceContext],
            write: vec![Format::B3Multi, Format::TraceContext],
        };
        let allowed = "a list of b3multi, b3, tracecontext and baggage, or none";
        environment.or("OTEL_PROPAGATORS", allowed, default, parse)
    }
}

fn parse(text: &str) -> Result<PropagatorSettings, ()> {
    let mut formats = Vec::new();
    let names: Vec<&str> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    for name in &names {
        let format = match *name {
            "b3multi" => Format::B3Multi,
            "b3" => Format::B3Single,
            "tracecontext" => Format::TraceContext,
            "baggage" => continue,
            "none" if names.len() == 1 => continue,
            _ => return Err(()),
        };
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    Ok(PropagatorSettings { read: formats.clone(), write: formats })
}

impl Propagators {
    pub(super) fn new(settings: &PropagatorSettings) -> Self {
        let all = |formats: &[Format]| formats.iter().copied().map(propagator).collect();
        Self { read: all(&settings.read), write: all(&settings.write) }
    }

    /// What `headers` say: a remote span context, a [`B3`], both, or neither. Never an error: what is malformed is
    /// passed over.
    pub fn extract(&self, headers: &dyn Extractor) -> Context {
        let nothing = Context::new();
        for propagator in &self.read {
            let context = propagator.extract_with_context(&nothing, headers);
            if context.has_active_span() || context.get::<B3>().is_some() {
                return context;
            }
        }
        nothing
    }

    pub(super) fn inject(&self, context: &Context, headers: &mut dyn Injector) {
        for propagator in &self.write {
            propagator.inject_context(context, headers);
        }
    }
}

impl Default for Propagators {
    /// As with `OTEL_PROPAGATORS` unset.
    fn default() -> Self {
        let nothing = std::collections::BTreeMap::new();
        Self::new(&PropagatorSettings::from_environment(&mut Environment::new(&nothing)))
    }
}

fn propagator(format: Format) -> Box<dyn TextMapPropagator + Send + Sync> {
    match format {
        Format::B3Multi => Box::new(B3Propagator::new(B3Form::Multi)),
        Format::B3Single => Box::new(B3Propagator::new(B3Form::Single)),
        Format::TraceContext => Box::new(W3cPropagator::default()),
    }
}

/// Whether the header says which trace a call belongs to.
pub(super) fn is_trace_header(name: &str) -> bool {
    TRACE_HEADERS.contains(&name)
}

/// Takes what came in trace headers out of `headers`.
pub(super) fn remove_trace_headers(headers: &mut HeaderMap) {
    for name in TRACE_HEADERS {
        headers.remove(name);
    }
}

/// HTTP's headers. What is repeated says nothing certain about a trace, so that its first value counts, as in SDKs.
pub(super) struct Http<'a>(pub(super) &'a HeaderMap);

impl Extractor for Http<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// Sets HTTP's headers, but no empty one: an empty header breaks the trace at the next proxy.
pub(super) struct HttpMut<'a>(pub(super) &'a mut HeaderMap);

impl Injector for HttpMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        let value = HeaderValue::try_from(value).ok().filter(|value| !value.is_empty());
        if let (Ok(name), Some(value)) = (HeaderName::try_from(key), value) {
            self.0.insert(name, value);
        }
    }
}

/// A message's headers.
pub(super) struct Pairs<'a>(pub(super) &'a [(String, String)]);

impl Extractor for Pairs<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// Adds to a message's headers, but no empty one.
pub(super) struct PairsMut<'a>(pub(super) &'a mut Vec<(String, String)>);

impl Injector for PairsMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if !value.is_empty() {
            self.0.push((key.to_owned(), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const B3_TRACE: &str = "463ac35c9f6413ad48485a3953bb6124";
    const W3C_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn trace(list: &str, headers: &[(&'static str, String)]) -> String {
        let propagators = Propagators::new(&parse(list).unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        propagators.extract(&Http(&map)).span().span_context().trace_id().to_string()
    }

    #[test]
    fn the_first_valid_format_in_the_lists_order_wins() {
        let b3 = ("b3", format!("{B3_TRACE}-a2fb4a1d1a96d312-1"));
        let broken = ("b3", format!("{B3_TRACE}-nonsense-1"));
        let w3c = ("traceparent", format!("00-{W3C_TRACE}-b7ad6b7169203331-01"));
        assert_eq!(trace("b3,tracecontext", &[b3.clone(), w3c.clone()]), B3_TRACE);
        assert_eq!(trace("tracecontext,b3", &[b3.clone(), w3c.clone()]), W3C_TRACE);
        assert_eq!(trace("b3,tracecontext", &[broken, w3c.clone()]), W3C_TRACE);
        assert_eq!(trace("b3multi", &[b3, w3c]), "00000000000000000000000000000000");
    }

    #[test]
    fn all_formats_are_read_and_two_written_unless_told_otherwise() {
        let nothing = std::collections::BTreeMap::new();
        let default = PropagatorSettings::from_environment(&mut Environment::new(&nothing));
        assert_eq!(default.write, [Format::B3Multi, Format::TraceContext]);
        assert_eq!(parse("none").unwrap().write, []);
        assert_eq!(parse(" b3 , baggage,b3").unwrap().write, [Format::B3Single]);
        for wrong in ["jaeger", "none,b3", "B3"] {
            assert_eq!(parse(wrong), Err(()), "{wrong}");
        }
    }

    #[test]
    fn an_empty_tracestate_is_not_sent() {
        let mut map = HeaderMap::new();
        map.insert("traceparent", format!("00-{W3C_TRACE}-b7ad6b7169203331-01").parse().unwrap());
        let propagators = Propagators::default();
        let context = propagators.extract(&Http(&map));
        let mut out = HeaderMap::new();
        propagators.inject(&context, &mut HttpMut(&mut out));
        assert_eq!(out["traceparent"], map["traceparent"]);
        assert_eq!(out["x-b3-traceid"], W3C_TRACE);
        assert!(!out.contains_key("tracestate"));
    }
}
