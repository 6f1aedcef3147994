//! How large the metadata of a call may be.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    deadline::GRPC_TIMEOUT,
    propagation::{TRACE_HEADERS, TRACESTATE},
};

/// Bytes of the metadata that a service takes, by [`size`]: what gRPC's implementations allow by default is between 8 and
/// 16 KiB.
///
/// Whoever calls with more than a service takes harms others: calls share a connection, and HPACK writes some bytes as
/// 28 bits. From about 28 KiB on, a header block can need more CONTINUATION frames than h2 takes, which then ends the
/// connection with every call on it. At this limit it needs four frames of the six that [`ServeLimits`] allow.
///
/// [`ServeLimits`]: crate::serve::ServeLimits
pub const LIMIT: usize = 16 * 1024;

/// Bytes of a value that a hop may have written anew: no trace header, deadline or name of a client is longer.
const SHORT: usize = 128;

/// Whether a service takes these. What each hop writes anew does not count: what one has taken, no service below it
/// refuses, though it comes with the trace headers of a hop more.
///
/// # Errors
/// Their size, where that is too large.
pub fn check(headers: &HeaderMap) -> Result<(), usize> {
    let all = size(headers);
    let own = || headers.iter().filter(|(name, value)| value.len() <= SHORT && is_own(name)).map(entry).sum();
    if all <= LIMIT || all.saturating_sub(own()) <= LIMIT { Ok(()) } else { Err(all) }
}

/// Bytes of names and values together, with 32 for each header (RFC 9113, 6.5.2).
pub fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(entry).sum()
}

fn entry((name, value): (&HeaderName, &HeaderValue)) -> usize {
    name.as_str().len() + value.len() + 32
}

/// Whether each hop writes it anew. A `tracestate` goes on as it came.
fn is_own(name: &HeaderName) -> bool {
    const BESIDE_TRACES: [HeaderName; 4] =
        [GRPC_TIMEOUT, header::USER_AGENT, header::TE, header::CONTENT_TYPE];
    name != TRACESTATE && (TRACE_HEADERS.contains(name) || BESIDE_TRACES.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_service_takes_the_next_takes_with_the_headers_of_a_hop_more() {
        let mut headers = HeaderMap::new();
        headers.insert("baggage", "x".repeat(LIMIT - "baggage".len() - 32).try_into().unwrap());
        assert_eq!((size(&headers), check(&headers)), (LIMIT, Ok(())));
        for name in TRACE_HEADERS.iter().filter(|name| **name != TRACESTATE) {
            headers.insert(name, "0".repeat(55).try_into().unwrap());
        }
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_static("4999000u"));
        assert_eq!(check(&headers), Ok(()));

        headers.insert(header::USER_AGENT, "x".repeat(SHORT + 1).try_into().unwrap());
        assert_eq!(check(&headers), Err(size(&headers)), "no hop writes such a name");
        headers.remove(header::USER_AGENT);
        headers.insert("x-ot-span-context", HeaderValue::from_static("1"));
        assert_eq!(check(&headers), Err(size(&headers)));
    }
}
