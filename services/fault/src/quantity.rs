//! Durations and sizes as texts.

use std::{fmt, time::Duration};

/// Something that can be drawn from a distribution.
pub trait Quantity: Copy + Ord {
    /// An example for messages.
    const EXAMPLE: &'static str;

    /// Reads a text such as `5ms` or `10KiB`.
    fn parse(text: &str) -> Option<Self>;

    /// The text that [`parse`](Self::parse) reads.
    fn text(self) -> String;

    /// The smallest units: nanoseconds or bytes.
    fn units(self) -> u64;

    /// From the smallest units.
    fn from_units(units: u64) -> Self;
}

impl Quantity for Duration {
    const EXAMPLE: &'static str = "5ms";

    fn parse(text: &str) -> Option<Self> {
        parse_duration(text)
    }

    fn text(self) -> String {
        duration_text(self)
    }

    fn units(self) -> u64 {
        u64::try_from(self.as_nanos()).unwrap_or(u64::MAX)
    }

    fn from_units(units: u64) -> Self {
        Self::from_nanos(units)
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl Size {
    /// This many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// This many KiB.
    pub const fn kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    /// This many MiB.
    pub const fn mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// The number of bytes.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, bytes)| self.0 > 0 && self.0.is_multiple_of(*bytes));
        match unit {
            Some((name, bytes)) => formatter.pad(&format!("{}{name}", self.0 / bytes)),
            None => formatter.pad(&format!("{}B", self.0)),
        }
    }
}

impl Quantity for Size {
    const EXAMPLE: &'static str = "10KiB";

    fn parse(text: &str) -> Option<Self> {
        let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let unit = match text.get(number.len()..)? {
            "" | "B" => 1,
            other => UNITS.iter().find(|(name, _)| *name == other)?.1,
        };
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| number.parse::<u64>().ok()?.checked_mul(unit).map(Self)).flatten()
    }

    fn text(self) -> String {
        self.to_string()
    }

    fn units(self) -> u64 {
        self.0
    }

    fn from_units(units: u64) -> Self {
        Self(units)
    }
}

/// Reads a duration such as `5ms`, `1.5s` in the form `1s500ms`, or `2m`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    // Beyond the largest value of this language, arithmetic on durations could overflow.
    const MOST: Duration = Duration::from_hours(24 * 366);
    humantime::parse_duration(text).ok().filter(|duration| *duration <= MOST)
}

/// A duration as one word, such as `1s500ms`.
pub fn duration_text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_whole_number_with_a_binary_unit() {
        for (text, bytes, shown) in [
            ("0", 0, "0B"),
            ("1000", 1000, "1000B"),
            ("10KiB", 10 << 10, "10KiB"),
            ("1024KiB", 1 << 20, "1MiB"),
            ("2GiB", 2 << 30, "2GiB"),
            ("7B", 7, "7B"),
        ] {
            let size = Size::parse(text).unwrap();
            assert_eq!((size.get(), size.to_string().as_str()), (bytes, shown), "{text}");
        }
        for text in
            ["", "KiB", "1KB", "1.5KiB", "-1", "99999999999999999999", "18446744073709551615GiB", "1 KiB"]
        {
            assert_eq!(Size::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_survives_being_written_as_one_word() {
        for text in ["1ns", "25ms", "1s500ms", "2m", "1h1m1s1ms1us1ns", "0s"] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration_text(duration), text);
            assert_eq!(parse_duration(&duration_text(duration)), Some(duration));
        }
        for text in ["", "5", "ms", "-1s", "1000y", "18446744073709551615s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
