//! The trace that a server names in `traceresponse`, by the draft of W3C's Trace Context level 2.

/// The header's value, of a trace that is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceResponse(String);

impl TraceResponse {
    /// Reads `00-<trace>-<span>-<flags>`; `None` for another form, and for a trace that is not recorded.
    pub(crate) fn recorded(value: &str) -> Option<Self> {
        let is_hex =
            |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let parts: Vec<&str> = value.split('-').collect();
        let ["00", trace, span, flags] = parts.as_slice() else { return None };
        let is_recorded = is_hex(flags, 2) && u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1);
        (is_recorded && is_hex(trace, 32) && is_hex(span, 16)).then(|| Self(value.to_owned()))
    }

    /// The whole value.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 32 hexadecimal digits of the trace.
    pub fn trace_id(&self) -> &str {
        self.0.split('-').nth(1).unwrap_or_default()
    }
}
