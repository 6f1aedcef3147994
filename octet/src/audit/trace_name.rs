//! The trace of an answer, as the gateway's `traceresponse` names it.

use octet_zipkin::{SpanId, TraceId};

/// The name of the header, of the member of a saved answer, and of the line after one.
pub(super) const TRACE_RESPONSE: &str = "traceresponse";

/// The trace of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceName {
    /// The trace.
    pub trace: TraceId,
    /// The span of the gateway, below which all others are.
    pub span: SpanId,
    /// Whether its spans are reported.
    pub is_recorded: bool,
}

impl TraceName {
    /// Parses `00-<trace>-<span>-<flags>`, by the draft of W3C's Trace Context level 2. `Ok(None)` for an empty text, which a
    /// response without the header has.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, String> {
        const WANTED: &str = "traceresponse must be 00-TRACE-SPAN-FLAGS with 32, 16 and 2 hexadecimal digits";
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let parts: Vec<&str> = text.split('-').collect();
        let ["00", trace, span, flags] = parts.as_slice() else { return Err(WANTED.to_owned()) };
        let flags = u8::from_str_radix(flags, 16).ok().filter(|_| flags.len() == 2);
        let trace = TraceId::parse(trace).filter(|_| trace.len() == 32);
        let span = SpanId::parse(span).filter(|_| span.len() == 16);
        match (trace, span, flags) {
            (Some(trace), Some(span), Some(flags)) => {
                Ok(Some(Self { trace, span, is_recorded: flags & 1 == 1 }))
            }
            _ => Err(WANTED.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_a_trace_and_whether_it_is_recorded() {
        const IDS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
        for (flags, is_recorded) in [("01", true), ("00", false), ("03", true)] {
            let name = TraceName::parse(&format!("{IDS}-{flags}")).unwrap().unwrap();
            assert_eq!(name.trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
            assert_eq!((name.span.to_string().as_str(), name.is_recorded), ("b7ad6b7169203331", is_recorded));
        }
        assert_eq!(TraceName::parse(" "), Ok(None));
        for text in ["x", &format!("{IDS}-1"), &IDS.replace("00-", "01-"), &format!("{IDS}-01-"), &IDS[..52]]
        {
            assert!(TraceName::parse(text).is_err(), "{text}");
        }
    }
}
