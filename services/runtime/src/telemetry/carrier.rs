//! The headers of a call or a message, from which trace context is extracted and into which it is injected.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::propagation::TRACE_HEADERS;

/// A source of trace context.
pub(super) trait Carrier {
    /// The value of a header, where it is text; the first where it is repeated.
    fn get(&self, name: &HeaderName) -> Option<&str>;

    /// The value of a header that is not repeated.
    fn only(&self, name: &HeaderName) -> Option<&str>;

    /// The values of a list header, which may be repeated, joined by commas in their order.
    fn list(&self, name: &HeaderName) -> Option<Cow<'_, str>>;
}

/// A target of trace context.
pub(super) trait CarrierMut {
    /// Sets a header. An empty value is omitted: an empty header breaks the trace at the next proxy.
    fn set(&mut self, name: HeaderName, value: &[u8]);
}

impl Carrier for HeaderMap {
    fn get(&self, name: &HeaderName) -> Option<&str> {
        Self::get(self, name)?.to_str().ok()
    }

    fn only(&self, name: &HeaderName) -> Option<&str> {
        let mut values = self.get_all(name).iter();
        values.next().filter(|_| values.next().is_none())?.to_str().ok()
    }

    fn list(&self, name: &HeaderName) -> Option<Cow<'_, str>> {
        joined(self.get_all(name).iter().filter_map(|value| value.to_str().ok()))
    }
}

impl CarrierMut for HeaderMap {
    fn set(&mut self, name: HeaderName, value: &[u8]) {
        if let Some(mut value) = HeaderValue::from_bytes(value).ok().filter(|value| !value.is_empty()) {
            // The value differs in each call: HPACK must not put it in its table, where it would evict values that repeat
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

    fn only(&self, name: &HeaderName) -> Option<&str> {
        let mut values = self.iter().filter(|header| header.0.eq_ignore_ascii_case(name.as_str()));
        values.next().filter(|_| values.next().is_none()).map(|(_, value)| value.as_str())
    }

    fn list(&self, name: &HeaderName) -> Option<Cow<'_, str>> {
        let named = |header: &&(String, String)| header.0.eq_ignore_ascii_case(name.as_str());
        joined(self.iter().filter(named).map(|(_, value)| value.as_str()))
    }
}

/// One list of several values.
pub(super) fn joined<'v>(values: impl IntoIterator<Item = &'v str>) -> Option<Cow<'v, str>> {
    values.into_iter().map(Cow::Borrowed).reduce(|before, value| {
        let mut list = before.into_owned();
        list.push(',');
        list.push_str(&value);
        Cow::Owned(list)
    })
}

impl CarrierMut for Vec<(String, String)> {
    fn set(&mut self, name: HeaderName, value: &[u8]) {
        match std::str::from_utf8(value) {
            Ok(value) if !value.is_empty() => self.push((name.as_str().to_owned(), value.to_owned())),
            _ => {}
        }
    }
}

/// Removes the trace headers.
pub(super) fn remove_trace_headers(headers: &mut HeaderMap) {
    for name in &TRACE_HEADERS {
        headers.remove(name);
    }
}

/// As [`remove_trace_headers`], for a message's headers.
pub(super) fn remove_trace_headers_of_message(headers: &mut Vec<(String, String)>) {
    headers.retain(|(name, _)| !TRACE_HEADERS.iter().any(|header| header == name.as_str()));
}
