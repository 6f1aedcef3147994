//! `grpc-timeout`, one value a line.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use octet_runtime::deadline::{DEFAULT_TIMEOUT, Deadline, GRPC_TIMEOUT, MAX_TIMEOUT, reserve};

pub(crate) fn run(bytes: &[u8]) {
    let values: Vec<_> = bytes.split(|byte| *byte == b'\n').take(3).collect();
    let mut headers = HeaderMap::new();
    for value in values.iter().filter_map(|value| HeaderValue::from_bytes(value).ok()) {
        headers.append(GRPC_TIMEOUT, value);
    }
    let values: Vec<_> = headers.get_all(GRPC_TIMEOUT).iter().map(HeaderValue::as_bytes).collect();
    let expected = match *values {
        [] => Some(DEFAULT_TIMEOUT),
        [value] => specified(value).map(|timeout| timeout.saturating_sub(reserve(timeout))),
        _ => None,
    };

    let started = Instant::now();
    let read = Deadline::from_headers(&headers);
    assert_eq!(read.is_ok(), expected.is_some(), "{read:?} where {expected:?} was expected");
    let (Ok(deadline), Some(expected)) = (read, expected) else { return };
    let expected = expected.min(MAX_TIMEOUT);
    let left = deadline.remaining();
    assert!(left <= expected && left + started.elapsed() >= expected, "{left:?} left of {expected:?}");

    // There is one value, and a hop never gains time.
    let left = deadline.remaining();
    deadline.write_to(&mut headers);
    assert_eq!(headers.len(), 1);
    let next = Deadline::from_headers(&headers).expect("what is written can be read");
    assert!(next.remaining() <= left, "{left:?} became {:?}", next.remaining());
}

/// An independent implementation of the grammar in gRPC over HTTP/2.
fn specified(value: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?;
    let nanos: u64 = match text.chars().next_back()? {
        'H' => 3_600_000_000_000,
        'M' => 60_000_000_000,
        'S' => 1_000_000_000,
        'm' => 1_000_000,
        'u' => 1_000,
        'n' => 1,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    let plain = !digits.contains(|character: char| !character.is_ascii_digit());
    let value: u32 = digits.parse().ok().filter(|_| plain && digits.len() <= 8)?;
    // Up to eleven thousand years, which is more nanoseconds than 64 bits hold.
    Some(Duration::from_nanos(nanos).saturating_mul(value))
}
