//! Deadlines: the moment by which a call must have its response, propagated from hop to hop as the remaining time
//! (`grpc-timeout`, gRPC over HTTP/2, "Requests").
//!
//! A process that receives a timeout responds a [reserve] before it ends, so that its response, which names the
//! service that was too slow, still reaches the caller in time. See docs/decisions/0021.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header of the remaining time.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The timeout that the first process sets for a call without a deadline.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest timeout; a longer one is reduced to this.
pub const MAX_TIMEOUT: Duration = Duration::from_hours(24);

/// The share of a received timeout that is kept for the way of the response: a thirty-second, so that 16 hops leave the last
/// one 60 %.
const RESERVE_SHARE: u32 = 32;

/// The longest reserve.
const MAX_RESERVE: Duration = Duration::from_millis(250);

/// The moment by which a call must have its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

/// An invalid `grpc-timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("grpc-timeout must be one to eight digits and a unit (H, M, S, m, u or n), such as 100m or 5S")]
pub struct MalformedTimeout;

impl Deadline {
    /// `timeout` from now.
    pub fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout.min(MAX_TIMEOUT))
    }

    /// The caller's deadline less the [reserve], or [`DEFAULT_TIMEOUT`] from now when the caller set none.
    ///
    /// # Errors
    /// [`MalformedTimeout`] when the header is invalid or present twice.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, MalformedTimeout> {
        Self::from_headers_or(headers, DEFAULT_TIMEOUT)
    }

    /// The caller's deadline less the [reserve], or `timeout` from now when the caller set none.
    ///
    /// # Errors
    /// As [`from_headers`](Self::from_headers).
    pub fn from_headers_or(headers: &HeaderMap, timeout: Duration) -> Result<Self, MalformedTimeout> {
        let mut values = headers.get_all(&GRPC_TIMEOUT).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(Self::after(timeout)),
            (Some(value), None) => {
                parse(value.as_bytes()).map(|timeout| Self::after(timeout.saturating_sub(reserve(timeout))))
            }
            (Some(_), Some(_)) => Err(MalformedTimeout),
        }
    }

    /// The earliest moment at which the deadline of a call passes in the process that receives it now.
    #[must_use]
    pub fn at_upstream(self) -> Self {
        let remaining = self.remaining();
        Self::after(remaining.saturating_sub(reserve(remaining)))
    }

    /// The remaining time; zero once the deadline has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// The remaining time in milliseconds for spans, rounded to a microsecond: finer digits are noise.
    pub fn remaining_ms(self) -> f64 {
        (self.remaining().as_secs_f64() * 1e6).round() / 1e3
    }

    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// The same moment for tokio's timers.
    pub fn instant(self) -> tokio::time::Instant {
        self.0.into()
    }

    /// Sets `grpc-timeout` to the remaining time.
    pub fn write_to(self, headers: &mut HeaderMap) {
        headers.insert(GRPC_TIMEOUT, format(self.remaining()));
    }
}

/// How long before the end of a received timeout the response is sent.
pub fn reserve(timeout: Duration) -> Duration {
    (timeout / RESERVE_SHARE).min(MAX_RESERVE)
}

/// Reads `TimeoutValue TimeoutUnit`.
fn parse(bytes: &[u8]) -> Result<Duration, MalformedTimeout> {
    let (unit, digits) = bytes.split_last().ok_or(MalformedTimeout)?;
    if digits.is_empty() || digits.len() > 8 {
        return Err(MalformedTimeout);
    }
    let mut value = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(MalformedTimeout);
        }
        value = value * 10 + u64::from(digit - b'0');
    }
    match unit {
        b'H' => Ok(Duration::from_secs(value * 3600)),
        b'M' => Ok(Duration::from_secs(value * 60)),
        b'S' => Ok(Duration::from_secs(value)),
        b'm' => Ok(Duration::from_millis(value)),
        b'u' => Ok(Duration::from_micros(value)),
        b'n' => Ok(Duration::from_nanos(value)),
        _ => Err(MalformedTimeout),
    }
}

/// Writes the remaining time in the finest unit that fits eight digits, rounded down: a hop never gains time.
fn format(remaining: Duration) -> HeaderValue {
    const MAX: u128 = 99_999_999;
    let (value, unit) = if remaining.as_micros() <= MAX {
        (remaining.as_micros(), 'u')
    } else if remaining.as_millis() <= MAX {
        (remaining.as_millis(), 'm')
    } else {
        (u128::from(remaining.as_secs()).min(MAX), 'S')
    };
    // Digits and a letter are always a header value; zero would be the safe fallback.
    HeaderValue::try_from(format!("{value}{unit}")).unwrap_or(HeaderValue::from_static("0u"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_unit_of_the_specification_is_parsed() {
        for (text, timeout) in [
            ("1H", Duration::from_hours(1)),
            ("2M", Duration::from_mins(2)),
            ("5S", Duration::from_secs(5)),
            ("100m", Duration::from_millis(100)),
            ("7u", Duration::from_micros(7)),
            ("99999999n", Duration::from_nanos(99_999_999)),
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(timeout), "{text}");
        }
    }

    #[test]
    fn invalid_timeouts_are_refused() {
        for text in ["", "S", "5", "5s", "-5S", "+5S", "5 S", "123456789S", "5SS", "0x5S", "５S", "1.5S"] {
            assert_eq!(parse(text.as_bytes()), Err(MalformedTimeout), "{text:?}");
        }
    }

    #[test]
    fn a_call_without_a_deadline_gets_the_default_one() {
        let left = Deadline::from_headers(&HeaderMap::new()).unwrap().remaining();
        assert!(left <= DEFAULT_TIMEOUT && left > DEFAULT_TIMEOUT / 2, "{left:?}");
    }

    #[test]
    fn a_repeated_timeout_is_refused() {
        let mut headers = HeaderMap::new();
        headers.append(GRPC_TIMEOUT, HeaderValue::from_static("5S"));
        headers.append(GRPC_TIMEOUT, HeaderValue::from_static("9S"));
        assert_eq!(Deadline::from_headers(&headers), Err(MalformedTimeout));
    }

    #[test]
    fn sixteen_hops_leave_most_of_a_short_deadline_and_each_a_reserve() {
        let mut left = Duration::from_millis(50);
        for hop in 0..16 {
            let received = parse(format(left).as_bytes()).unwrap();
            let kept = reserve(received);
            assert!(kept >= Duration::from_micros(900), "{kept:?} at hop {hop}");
            left = received.checked_sub(kept).unwrap();
        }
        assert!(left >= Duration::from_millis(30), "{left:?}");
        assert_eq!(reserve(MAX_TIMEOUT), MAX_RESERVE);
    }

    #[test]
    fn a_received_timeout_ends_a_reserve_early() {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_static("1H"));
        let left = Deadline::from_headers(&headers).unwrap().remaining();
        assert!(left <= Duration::from_hours(1).checked_sub(MAX_RESERVE).unwrap(), "{left:?}");
        let given = Deadline::after(Duration::from_hours(1));
        assert!(given.at_upstream().remaining() <= Duration::from_hours(1).checked_sub(MAX_RESERVE).unwrap());
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn a_hop_never_gains_time(micros in 0_u64..200_000_000_000) {
            let left = Duration::from_micros(micros);
            let carried = parse(format(left).as_bytes()).unwrap();
            prop_assert!(carried <= left);
            prop_assert!(left.checked_sub(carried).unwrap() < Duration::from_secs(1));
        }
    }
}
