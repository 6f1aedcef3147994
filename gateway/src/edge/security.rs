//! What browsers are told about every answer of the edge, so that nothing that is data is taken for a page.
//!
//! `Strict-Transport-Security` is not among it: it binds every port and service of the host, which is for whoever owns
//! the host to say.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Where an answer has not said it itself, as a page does.
const DEFAULTS: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Adds what an answer has not said itself.
pub(crate) fn complete(headers: &mut HeaderMap) {
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(value);
    }
}
