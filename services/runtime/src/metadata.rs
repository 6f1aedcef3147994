//! How large the metadata of a call may be.

use http::HeaderMap;

/// Bytes of the metadata that a service takes, by [`size`]: what gRPC's implementations allow by default is between 8 and
/// 16 KiB.
///
/// Whoever calls with more than a service takes harms others: calls share a connection, and HPACK writes some bytes as
/// 28 bits. From about 28 KiB on, a header block can need more CONTINUATION frames than h2 takes, which then ends the
/// connection with every call on it. At this limit it needs four frames of the six that [`ServeLimits`] allow.
///
/// [`ServeLimits`]: crate::serve::ServeLimits
pub const LIMIT: usize = 16 * 1024;

/// Bytes of names and values together, with 32 for each header (RFC 9113, 6.5.2).
pub fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}
