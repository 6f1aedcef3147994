//! How often something happens.

use std::fmt;

/// A share of requests or calls: more than 0 %, at most 100 %, in steps of a ten-thousandth of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

/// The units of 100 %.
const WHOLE: u32 = 1_000_000;
/// The units of 1 %.
const PERCENT: u32 = WHOLE / 100;

impl Share {
    /// Always.
    pub const WHOLE: Self = Self(WHOLE);

    /// What a share must look like, for messages.
    pub const ALLOWED: &str = "a share such as 10% or 0.5%, more than 0% and at most 100%";

    /// Reads `10%` or `0.5%`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(whole, 3) || !digits(fraction, 4) {
            return None;
        }
        let fraction: u32 = format!("{fraction:0<4}").parse().ok()?;
        let units = whole.parse::<u32>().ok()? * PERCENT + fraction;
        (1..=WHOLE).contains(&units).then_some(Self(units))
    }

    /// The share as a number from 0 to 1.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }

    /// Whether it is 100 %.
    pub fn is_whole(self) -> bool {
        self.0 == WHOLE
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / PERCENT, self.0 % PERCENT);
        let text = format!("{whole}.{fraction:04}");
        formatter.pad(&format!("{}%", text.trim_end_matches('0').trim_end_matches('.')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_above_zero_and_at_most_a_hundred() {
        for (text, fraction, shown) in [
            ("10%", 0.1, "10%"),
            ("0.5%", 0.005, "0.5%"),
            ("100%", 1.0, "100%"),
            ("100.0000%", 1.0, "100%"),
            ("0.0001%", 0.000_001, "0.0001%"),
            ("12.25%", 0.1225, "12.25%"),
        ] {
            let share = Share::parse(text).unwrap();
            assert!((share.fraction() - fraction).abs() < 1e-12, "{text}");
            assert_eq!(share.to_string(), shown);
        }
        for text in
            ["", "%", "10", "0%", "0.0%", "100.1%", "101%", "-1%", "1e1%", ".5%", "5.%", "0.00001%", "1 %"]
        {
            assert_eq!(Share::parse(text), None, "{text}");
        }
    }
}
