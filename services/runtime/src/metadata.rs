//! The size limit of a call's metadata.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    deadline::GRPC_TIMEOUT,
    propagation::{TRACE_HEADERS, TRACESTATE},
};

/// Bytes of metadata that a service accepts, measured by [`size`]. gRPC implementations allow between 8 and 16 KiB by
/// default.
///
/// A larger limit would let one caller fail the calls of others: calls share a connection, and HPACK encodes some bytes in
/// 28 bits. From about 28 KiB on, a header block can need more CONTINUATION frames than h2 accepts, which then closes the
/// connection with every call on it. At this limit it needs four frames of the six that [`ServeLimits`] allow.
///
/// [`ServeLimits`]: crate::serve::ServeLimits
pub const LIMIT: usize = 16 * 1024;

/// Bytes of a value that a hop may have rewritten: no trace header, deadline or user agent of a client library is longer.
const MAX_REWRITTEN: usize = 128;

/// Whether a service accepts this metadata. Headers that each hop rewrites do not count, so that no service refuses what
/// its caller accepted.
///
/// # Errors
/// The size, where it exceeds [`LIMIT`].
pub fn check(headers: &HeaderMap) -> Result<(), usize> {
    let all = size(headers);
    let rewritten = || {
        headers
            .iter()
            .filter(|(name, value)| value.len() <= MAX_REWRITTEN && is_rewritten(name))
            .map(entry)
            .sum()
    };
    if all <= LIMIT || all.saturating_sub(rewritten()) <= LIMIT { Ok(()) } else { Err(all) }
}

/// Bytes of all names and values, plus 32 for each header (RFC 9113, 6.5.2).
pub fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(entry).sum()
}

fn entry((name, value): (&HeaderName, &HeaderValue)) -> usize {
    name.as_str().len() + value.len() + 32
}

/// Whether each hop rewrites this header. `tracestate` passes unchanged.
fn is_rewritten(name: &HeaderName) -> bool {
    const BESIDE_TRACES: [HeaderName; 4] =
        [GRPC_TIMEOUT, header::USER_AGENT, header::TE, header::CONTENT_TYPE];
    name != TRACESTATE && (TRACE_HEADERS.contains(name) || BESIDE_TRACES.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_that_one_service_accepts_is_accepted_by_the_next_with_its_own_trace_headers() {
        let mut headers = HeaderMap::new();
        headers.insert("baggage", "x".repeat(LIMIT - "baggage".len() - 32).try_into().unwrap());
        assert_eq!((size(&headers), check(&headers)), (LIMIT, Ok(())));
        for name in TRACE_HEADERS.iter().filter(|name| **name != TRACESTATE) {
            headers.insert(name, "0".repeat(55).try_into().unwrap());
        }
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_static("4999000u"));
        assert_eq!(check(&headers), Ok(()));

        headers.insert(header::USER_AGENT, "x".repeat(MAX_REWRITTEN + 1).try_into().unwrap());
        assert_eq!(check(&headers), Err(size(&headers)), "no hop writes such a user agent");
        headers.remove(header::USER_AGENT);
        headers.insert("x-ot-span-context", HeaderValue::from_static("1"));
        assert_eq!(check(&headers), Err(size(&headers)));
    }
}
