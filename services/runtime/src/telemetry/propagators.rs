//! The formats in which trace context is extracted and injected: `OTEL_PROPAGATORS`.

use opentelemetry::trace::SpanContext;

use super::{
    b3::{self, B3Form},
    carrier::{Carrier, CarrierMut},
    extracted::{B3, Extracted},
    w3c,
};
use crate::environment::Environment;

/// A format of trace context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    B3Multi,
    B3Single,
    TraceContext,
}

/// Extracts the first valid format, and injects all.
#[derive(Debug)]
pub(super) struct Propagators {
    formats: PropagatorSettings,
}

/// The formats, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PropagatorSettings {
    read: Vec<Format>,
    write: Vec<Format>,
}

impl PropagatorSettings {
    /// Reads `OTEL_PROPAGATORS`: a list of `b3multi`, `b3`, `tracecontext` and `baggage`, or `none`.
    ///
    /// Unset, all are extracted, B3 first; B3's multiple headers and W3C's are injected. Baggage always passes unchanged,
    /// since no service adds to it; naming it has no effect.
    pub(super) fn from_environment(environment: &mut Environment<'_>) -> Self {
        let default = Self {
            read: vec![Format::B3Single, Format::B3Multi, Format::TraceContext],
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
    let mut read = formats.clone();
    // By B3's specification the single header has precedence, in whatever order the list names them.
    let single = read.iter().position(|format| *format == Format::B3Single);
    let multi = read.iter().position(|format| *format == Format::B3Multi);
    if let (Some(single), Some(multi)) = (single, multi)
        && multi < single
    {
        read.swap(single, multi);
    }
    Ok(PropagatorSettings { read, write: formats })
}

impl Propagators {
    pub(super) fn new(settings: &PropagatorSettings) -> Self {
        Self { formats: settings.clone() }
    }

    /// Extracts the context. Malformed headers are skipped, never an error.
    pub(super) fn extract(&self, headers: &dyn Carrier) -> Extracted {
        let mut lone = None;
        let extracted = self.formats.read.iter().find_map(|format| {
            let extracted = match format {
                Format::B3Multi => b3::read(B3Form::Multi, headers)?,
                Format::B3Single => b3::read(B3Form::Single, headers)?,
                Format::TraceContext => {
                    let (caller, state) = w3c::read(headers)?;
                    Extracted { caller: Some(caller), b3: None, state }
                }
            };
            if extracted.caller.is_none() {
                lone = lone.or(extracted.b3);
                return None;
            }
            Some(extracted)
        });
        let mut extracted = extracted.unwrap_or_default();
        // A decision without ids, of a format that precedes that of the ids, applies to them.
        if let Some(B3 { decision, .. }) = lone {
            extracted.b3 = Some(B3 { decision, ..extracted.b3.unwrap_or_default() });
        }
        if extracted.state.is_none() && self.formats.read.contains(&Format::TraceContext) {
            Self::add_state(&mut extracted, headers);
        }
        extracted
    }

    /// Adds the `tracestate` of a caller that sends both B3 and W3C headers: B3 has no field for it.
    fn add_state(extracted: &mut Extracted, headers: &dyn Carrier) {
        let Some(caller) = &mut extracted.caller else { return };
        if let Some((beside, state @ Some(_))) = w3c::read_state(headers)
            && beside.trace_id() == caller.trace_id()
        {
            let (trace, span, flags) = (caller.trace_id(), caller.span_id(), caller.trace_flags());
            *caller = SpanContext::new(trace, span, flags, caller.is_remote(), beside.trace_state().clone());
            extracted.state = state;
        }
    }

    /// Writes a span's context, with B3's additions, into `headers`.
    pub(super) fn inject(
        &self,
        span: &SpanContext,
        b3: B3,
        state: Option<&str>,
        headers: &mut dyn CarrierMut,
    ) {
        for format in &self.formats.write {
            match format {
                Format::B3Multi => b3::write(B3Form::Multi, span, b3, headers),
                Format::B3Single => b3::write(B3Form::Single, span, b3, headers),
                Format::TraceContext => w3c::write(span, state, headers),
            }
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

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::telemetry::extracted::Decision;

    const B3_TRACE: &str = "463ac35c9f6413ad48485a3953bb6124";
    const W3C_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn trace(list: &str, headers: &[(&'static str, String)]) -> String {
        let propagators = Propagators::new(&parse(list).unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let caller = propagators.extract(&map).caller;
        caller.map(|caller| caller.trace_id().to_string()).unwrap_or_default()
    }

    #[test]
    fn the_first_valid_format_in_list_order_wins() {
        let b3 = ("b3", format!("{B3_TRACE}-a2fb4a1d1a96d312-1"));
        let broken = ("b3", format!("{B3_TRACE}-nonsense-1"));
        let w3c = ("traceparent", format!("00-{W3C_TRACE}-b7ad6b7169203331-01"));
        assert_eq!(trace("b3,tracecontext", &[b3.clone(), w3c.clone()]), B3_TRACE);
        assert_eq!(trace("tracecontext,b3", &[b3.clone(), w3c.clone()]), W3C_TRACE);
        assert_eq!(trace("b3,tracecontext", &[broken, w3c.clone()]), W3C_TRACE);
        assert_eq!(trace("b3multi", &[b3, w3c]), "");
    }

    #[test]
    fn the_single_b3_header_wins_over_the_multiple_ones() {
        let single = ("b3", format!("{B3_TRACE}-a2fb4a1d1a96d312-1"));
        let multi = [("x-b3-traceid", W3C_TRACE.to_owned()), ("x-b3-spanid", "b7ad6b7169203331".to_owned())];
        for list in ["b3multi,b3", "b3,b3multi", "b3multi,tracecontext,b3"] {
            assert_eq!(
                trace(list, &[single.clone(), multi[0].clone(), multi[1].clone()]),
                B3_TRACE,
                "{list}"
            );
            assert_eq!(trace(list, &multi), W3C_TRACE, "{list}");
        }
    }

    #[test]
    fn a_lone_decision_keeps_the_ids_of_another_format_and_decides_for_them() {
        use Decision::{Accept, Debug, Deny};
        let w3c = ("traceparent", format!("00-{W3C_TRACE}-b7ad6b7169203331-01"));
        let ids = [("x-b3-traceid", B3_TRACE.to_owned()), ("x-b3-spanid", "a2fb4a1d1a96d312".to_owned())];
        let value = |text: &str| text.to_owned();
        for (headers, id, decision) in [
            (vec![("x-b3-sampled", value("0")), w3c.clone()], W3C_TRACE, Some(Deny)),
            (vec![("x-b3-flags", value("1")), w3c.clone()], W3C_TRACE, Some(Debug)),
            (vec![("b3", value("0")), w3c.clone()], W3C_TRACE, Some(Deny)),
            (vec![("b3", value("d")), ids[0].clone(), ids[1].clone()], B3_TRACE, Some(Debug)),
            (
                vec![("b3", format!("{B3_TRACE}-a2fb4a1d1a96d312-1")), ("x-b3-sampled", value("0"))],
                B3_TRACE,
                Some(Accept),
            ),
            (vec![("x-b3-sampled", value("0"))], "", Some(Deny)),
            (vec![w3c], W3C_TRACE, None),
        ] {
            let map: HeaderMap =
                headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            let extracted = Propagators::default().extract(&map);
            let trace = extracted.caller.map(|caller| caller.trace_id().to_string()).unwrap_or_default();
            assert_eq!(
                (trace.as_str(), extracted.b3.and_then(|b3| b3.decision)),
                (id, decision),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn tracestate_of_the_same_trace_passes_beside_b3() {
        let propagators = Propagators::default();
        let short = "0000000000000000a3ce929d0e0e4736";
        for (trace, beside, expected) in [
            (W3C_TRACE, W3C_TRACE, "congo=t61rcWkgMzE"),
            (short, short, "congo=t61rcWkgMzE"),
            (&short[16..], short, "congo=t61rcWkgMzE"),
            (B3_TRACE, W3C_TRACE, ""),
            (W3C_TRACE, "", ""),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("b3", format!("{trace}-a2fb4a1d1a96d312-1").parse().unwrap());
            headers.insert("traceparent", format!("00-{beside}-b7ad6b7169203331-01").parse().unwrap());
            headers.insert("tracestate", "congo=t61rcWkgMzE".parse().unwrap());
            for hop in ["first", "second", "third"] {
                let extracted = propagators.extract(&headers);
                let caller = extracted.caller.expect("a caller");
                assert_eq!(caller.span_id().to_string(), "a2fb4a1d1a96d312", "B3's own");
                assert_eq!(caller.trace_state().header(), expected, "{trace} {beside}, the {hop} hop");
                headers.clear();
                let (b3, state) = (extracted.b3.expect("B3"), extracted.state.as_deref());
                propagators.inject(&caller, b3, state, &mut headers);
            }
        }
    }

    #[test]
    fn by_default_all_formats_are_extracted_and_two_injected() {
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
        let caller = propagators.extract(&map).caller.expect("a caller");
        let mut out = HeaderMap::new();
        let accepted = B3 { decision: Some(Decision::Accept), parent: None };
        propagators.inject(&caller, accepted, None, &mut out);
        assert_eq!(out["traceparent"], map["traceparent"]);
        assert_eq!(out["x-b3-traceid"], W3C_TRACE);
        assert!(!out.contains_key("tracestate"));
    }
}
