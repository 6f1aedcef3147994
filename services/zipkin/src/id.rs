//! Ids of traces and spans, in lower-case hexadecimal digits as in Zipkin.

use std::{fmt, num::NonZeroU64};

use serde::{Serialize, Serializer};

/// A trace's id of 64 or 128 bits; never zero.
///
/// Ordered by the low half first, so that a trace of 128 bits is found by the 64 bits that an older tracer kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId {
    low: u64,
    high: u64,
}

impl TraceId {
    /// The id of 64 bits with this low half.
    pub fn first_of(low: u64) -> Self {
        Self { low, high: 0 }
    }

    /// The largest id.
    pub const MAX: Self = Self { low: u64::MAX, high: u64::MAX };

    /// The lower bound of all ids.
    pub const MIN: Self = Self { low: 0, high: 0 };

    /// Parses 1 to 32 lower-case hexadecimal digits that are not all zero, padded with zeros on the left as in Zipkin; a
    /// high half of zeros means an id of 64 bits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = digits(text, 32)?;
        let low = u64::try_from(digits & u128::from(u64::MAX)).ok()?;
        let high = u64::try_from(digits >> 64).ok()?;
        Some(Self { low, high })
    }

    /// The id of these halves; `None` for zero.
    pub fn from_halves(high: u64, low: u64) -> Option<Self> {
        (high != 0 || low != 0).then_some(Self { low, high })
    }

    /// Whether it has only 64 bits.
    pub fn is_short(self) -> bool {
        self.high == 0
    }

    /// The id as a number of 128 bits.
    pub(crate) fn number(self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }

    /// The low 64 bits.
    pub fn low(self) -> u64 {
        self.low
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.high != 0 {
            write!(f, "{:016x}", self.high)?;
        }
        write!(f, "{:016x}", self.low)
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A span's id; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(NonZeroU64);

impl SpanId {
    /// Parses 1 to 16 lower-case hexadecimal digits that are not all zero, padded with zeros on the left as in Zipkin.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = u64::try_from(digits(text, 16)?).ok()?;
        Self::from_number(digits)
    }

    /// The id of this number; `None` for zero.
    pub fn from_number(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// The id as a number above zero.
    pub fn number(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for SpanId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The digits as a number; `None` for too few or too many, for another character, and for zero.
fn digits(text: &str, max: usize) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() > max || !text.bytes().all(is_digit) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().filter(|digits| *digits != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_they_were_parsed() {
        for text in ["000000000000000a", "4e441824ec2b6a44ffdc9bb9a6453df3", "ffffffffffffffff"] {
            assert_eq!(TraceId::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(SpanId::parse("ffdc9bb9a6453df3").unwrap().to_string(), "ffdc9bb9a6453df3");
    }

    #[test]
    fn a_short_id_is_padded_and_a_high_half_of_zeros_is_dropped() {
        assert_eq!(
            TraceId::parse("0000000000000000ffdc9bb9a6453df3").unwrap().to_string(),
            "ffdc9bb9a6453df3"
        );
        assert_eq!(
            TraceId::parse("1ffdc9bb9a6453df3").unwrap().to_string(),
            "0000000000000001ffdc9bb9a6453df3"
        );
        assert_eq!(TraceId::parse("a").unwrap().to_string(), "000000000000000a");
        assert_eq!(SpanId::parse("00b").unwrap().to_string(), "000000000000000b");
    }

    #[test]
    fn an_invalid_id_is_refused() {
        let long = "0".repeat(33);
        for text in
            ["", "0", "0000000000000000", "FFDC9BB9A6453DF3", "+000000000000001", "é00000000000000", &long]
        {
            assert_eq!(TraceId::parse(text), None, "{text:?}");
            assert_eq!(SpanId::parse(text), None, "{text:?}");
        }
        assert_eq!(SpanId::parse("1ffdc9bb9a6453df3"), None);
    }
}
