//! Headers on every response that keep browsers from treating data as a page.
//!
//! `Strict-Transport-Security` is not among them: it applies to every port and service of the host, which is the host
//! owner's decision.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Used where a response has not set its own, as pages do.
const DEFAULTS: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Adds the defaults that the response has not set itself.
pub(crate) fn complete(headers: &mut HeaderMap) {
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(value);
    }
}
