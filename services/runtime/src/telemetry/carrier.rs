//! Where a trace's context is read from and written to: a call's headers, or a message's.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::Extractor;

use crate::propagation::{TRACE_HEADERS, TRACEPARENT, TRACESTATE};

/// What a context is read from.
pub(super) trait Carrier {
    /// The value of a header, where it is text.
    fn get(&self, name: &HeaderName) -> Option<&str>;
}

/// What a context is written to.
pub(super) trait CarrierMut {
    /// Sets a header; to an empty value, never: an empty header breaks the trace at the next proxy.
    fn set(&mut self, name: HeaderName, value: &[u8]);
}

/// What is repeated says nothing certain about a trace, so that its first value counts, as in SDKs.
impl Carrier for HeaderMap {
    fn get(&self, name: &HeaderName) -> Option<&str> {
        Self::get(self, name)?.to_str().ok()
    }
}

impl CarrierMut for HeaderMap {
    fn set(&mut self, name: HeaderName, value: &[u8]) {
        if let Some(mut value) = HeaderValue::from_bytes(value).ok().filter(|value| !value.is_empty()) {
            // Each call has another, so that HTTP/2 had better not keep it in its table, where it drives out what repeats
            // (RFC 7541, 6.2.3).
            value.set_sensitive(true);
            self.insert(name, value);
        }
    }
}

impl Carrier for &[(String, String)] {
    fn get(&self, name: &HeaderName) -> Option<&str> {
        let named = |header: &&(String, String)| header.0.eq_ignore_ascii_case(name.as_str());
        self.iter().find(named).map(|(_, value)| value.as_str())
    }
}

impl CarrierMut for Vec<(String, String)> {
    fn set(&mut self, name: HeaderName, value: &[u8]) {
        match std::str::from_utf8(value) {
            Ok(value) if !value.is_empty() => self.push((name.as_str().to_owned(), value.to_owned())),
            _ => {}
        }
    }
}

/// A carrier as the SDK's parser of W3C's headers takes it; it asks for nothing else.
pub(super) struct W3cHeaders<'a>(pub(super) &'a dyn Carrier);

impl Extractor for W3cHeaders<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let name = [TRACEPARENT, TRACESTATE].into_iter().find(|name| name == key)?;
        self.0.get(&name)
    }

    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// Takes what came in trace headers out of `headers`.
pub(super) fn remove_trace_headers(headers: &mut HeaderMap) {
    for name in &TRACE_HEADERS {
        headers.remove(name);
    }
}

/// As [`remove_trace_headers`], of a message's.
pub(super) fn remove_trace_headers_of_message(headers: &mut Vec<(String, String)>) {
    headers.retain(|(name, _)| !TRACE_HEADERS.iter().any(|header| header == name.as_str()));
}
