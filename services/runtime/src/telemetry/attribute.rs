//! The values of spans' attributes, as a span keeps them until it ends.

use std::{io::Write as _, net::IpAddr};

use super::digits::decimal;

/// Bytes of one text in a span. The export queue is bounded by its number of spans: this makes that a bound of its bytes
/// too, where a caller's path or user agent fills the whole head of a request.
pub(super) const MAX_TEXT: usize = 1_024;

/// The value of an attribute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AttributeValue<'a> {
    /// A text; it is cut after 1,024 bytes.
    Text(&'a str),
    /// A whole number.
    Whole(i64),
    /// A number with a fraction.
    Fraction(f64),
    /// True or false.
    Flag(bool),
    /// The text of an IP address; an IPv4-mapped one is written as IPv4.
    Address(IpAddr),
}

impl<'a> From<&'a str> for AttributeValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for AttributeValue<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for AttributeValue<'_> {
    fn from(whole: i64) -> Self {
        Self::Whole(whole)
    }
}

impl From<f64> for AttributeValue<'_> {
    fn from(fraction: f64) -> Self {
        Self::Fraction(fraction)
    }
}

impl From<bool> for AttributeValue<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<IpAddr> for AttributeValue<'_> {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

impl AttributeValue<'_> {
    /// Appends the value as text: a tag of Zipkin's is always one.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        // Writing to a Vec cannot fail.
        match self {
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Whole(whole) => {
                if whole < 0 {
                    out.push(b'-');
                }
                decimal(out, whole.unsigned_abs());
            }
            Self::Fraction(fraction) => write_fraction(out, fraction),
            Self::Flag(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
            Self::Address(address) => match address.to_canonical() {
                IpAddr::V4(address) => {
                    for (index, part) in address.octets().into_iter().enumerate() {
                        if index > 0 {
                            out.push(b'.');
                        }
                        decimal(out, part.into());
                    }
                }
                IpAddr::V6(address) => drop(write!(out, "{address}")),
            },
        }
    }
}

/// As the standard library formats it. Times have at most three decimals, and the library's search for the shortest
/// decimal would cost more than the rest of the attribute.
fn write_fraction(out: &mut Vec<u8>, fraction: f64) {
    /// Numbers below have an exact number of thousandths, and at most 15 digits: no two such decimals are one number.
    const MAX: f64 = 1e11;
    if fraction.is_sign_positive() && fraction < MAX {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1e14")]
        let thousandths = (fraction * 1_000.0).round() as u64;
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let is_exact = (thousandths as f64 / 1_000.0).to_bits() == fraction.to_bits();
        if is_exact {
            decimal(out, thousandths / 1_000);
            let mut rest = thousandths % 1_000;
            if rest > 0 {
                out.push(b'.');
            }
            let mut place = 100;
            while rest > 0 {
                decimal(out, rest / place);
                rest %= place;
                place /= 10;
            }
            return;
        }
    }
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{fraction}");
}

/// Attributes in the order in which they were set. Their texts share one buffer.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    list: Vec<(&'static str, Stored)>,
    texts: String,
}

#[derive(Debug)]
enum Stored {
    /// Its bytes in the buffer.
    Text {
        start: usize,
        end: usize,
    },
    Other(AttributeValue<'static>),
}

impl Attributes {
    pub(super) fn push(&mut self, name: &'static str, value: AttributeValue<'_>) {
        let stored = match value {
            AttributeValue::Text(text) => {
                let start = self.texts.len();
                append_shortened(&mut self.texts, text, MAX_TEXT);
                Stored::Text { start, end: self.texts.len() }
            }
            AttributeValue::Whole(whole) => Stored::Other(AttributeValue::Whole(whole)),
            AttributeValue::Fraction(fraction) => Stored::Other(AttributeValue::Fraction(fraction)),
            AttributeValue::Flag(flag) => Stored::Other(AttributeValue::Flag(flag)),
            AttributeValue::Address(address) => Stored::Other(AttributeValue::Address(address)),
        };
        if self.list.capacity() == 0 {
            // Most spans set fewer.
            self.list.reserve(8);
        }
        self.list.push((name, stored));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, AttributeValue<'_>)> {
        self.list.iter().map(|(name, stored)| {
            let value = match stored {
                Stored::Text { start, end } => {
                    AttributeValue::Text(self.texts.get(*start..*end).unwrap_or_default())
                }
                Stored::Other(value) => *value,
            };
            (*name, value)
        })
    }
}

/// A text, cut after `limit` bytes.
pub(super) fn shortened(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit) + '…'.len_utf8());
    append_shortened(&mut out, text, limit);
    out
}

fn append_shortened(out: &mut String, text: &str, limit: usize) {
    if text.len() <= limit {
        return out.push_str(text);
    }
    out.push_str(text.get(..text.floor_char_boundary(limit)).unwrap_or_default());
    out.push('…');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: impl Into<AttributeValue<'static>>) -> String {
        let mut out = Vec::new();
        value.into().write(&mut out);
        String::from_utf8(out).unwrap()
    }

    proptest::proptest! {
        #[test]
        fn numbers_equal_the_standard_formatting(whole: i64, any: f64, thousandths in 0_u32..100_000_000, bits: u64) {
            proptest::prop_assert_eq!(text(whole), whole.to_string());
            let rounded = f64::from(thousandths) / 1e3;
            let near = f64::from_bits(rounded.to_bits() ^ (bits & 1));
            for fraction in [any, rounded, near, rounded / 8.0, rounded * 1e9, f64::from_bits(bits)] {
                proptest::prop_assert_eq!(text(fraction), fraction.to_string());
            }
        }

        #[test]
        fn addresses_equal_the_standard_formatting(four: [u8; 4], six: [u8; 16]) {
            for address in [IpAddr::from(four), IpAddr::from(six)] {
                proptest::prop_assert_eq!(text(address), address.to_canonical().to_string());
            }
        }
    }

    #[test]
    fn zero_and_what_is_no_number_equal_the_standard_formatting() {
        for fraction in [0.0, -0.0, 0.1 + 0.2, 1e11, 1e300, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE] {
            assert_eq!(text(fraction), fraction.to_string());
        }
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        assert_eq!((text(mapped), text(true)), ("10.0.0.1".to_owned(), "true".to_owned()));
    }
}
