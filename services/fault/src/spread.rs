//! A value that is fixed, or drawn for each call from a range or by percentiles.

use std::fmt;

use crate::quantity::Quantity;

/// The values below which 50, 90 and 99 % of all draws lie, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quantiles<T> {
    /// The median.
    pub p50: T,
    /// The 90th percentile.
    pub p90: T,
    /// The 99th percentile.
    pub p99: T,
}

/// A value, or a distribution of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spread<T> {
    /// Always the same: `5ms`.
    Fixed(T),
    /// Each value of a range with the same probability, both ends included: `1ms..9ms`.
    Range(T, T),
    /// By percentiles: `p50=5ms p90=20ms p99=80ms`.
    Percentiles(Quantiles<T>),
}

impl<T: Quantity> Spread<T> {
    /// What a spread must look like, for messages.
    pub fn allowed() -> String {
        let example = T::EXAMPLE;
        format!(
            "a value such as {example}, a range (1{0}..9{0}) or percentiles (p50=1{0} p90=5{0} p99=9{0})",
            unit(example)
        )
    }

    /// Reads a value, a range or percentiles.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some((from, to)) = text.split_once("..") {
            let (from, to) = (T::parse(from.trim())?, T::parse(to.trim())?);
            return (from <= to).then_some(Self::Range(from, to));
        }
        if text.starts_with('p') {
            let mut values = ["p50=", "p90=", "p99="].into_iter();
            let mut read = text.split_whitespace().map(|word| T::parse(word.strip_prefix(values.next()?)?));
            let (p50, p90, p99) = (read.next()??, read.next()??, read.next()??);
            return (read.next().is_none() && p50 <= p90 && p90 <= p99)
                .then_some(Self::Percentiles(Quantiles { p50, p90, p99 }));
        }
        T::parse(text).map(Self::Fixed)
    }

    /// The largest value that can be drawn.
    pub fn most(self) -> T {
        match self {
            Self::Fixed(value) | Self::Range(_, value) => value,
            Self::Percentiles(Quantiles { p90, p99, .. }) => T::from_units(beyond(p90.units(), p99.units())),
        }
    }

    /// The value at `quantile`, from 0 to 1.
    ///
    /// Between percentiles it is linear. Half of all values lie between half the median and the median; the last
    /// hundredth continues the slope between the 90th and the 99th percentile.
    pub fn at(self, quantile: f64) -> T {
        let quantile = quantile.clamp(0.0, 1.0);
        match self {
            Self::Fixed(value) => value,
            Self::Range(from, to) => between(quantile, (0.0, from.units()), (1.0, to.units())),
            Self::Percentiles(Quantiles { p50, p90, p99 }) => {
                let (p50, p90, p99) = (p50.units(), p90.units(), p99.units());
                let points = [(0.0, p50 / 2), (0.5, p50), (0.9, p90), (0.99, p99), (1.0, beyond(p90, p99))];
                let segment = points.windows(2).find_map(|pair| match pair {
                    [low, high] if quantile <= high.0 => Some(between(quantile, *low, *high)),
                    _ => None,
                });
                segment.unwrap_or_else(|| T::from_units(p99))
            }
        }
    }
}

/// The end of the last hundredth.
fn beyond(p90: u64, p99: u64) -> u64 {
    p99.saturating_add(p99.saturating_sub(p90) / 9)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a draw needs no more than 53 bits, and lies between two values of the type"
)]
fn between<T: Quantity>(quantile: f64, (low_at, low): (f64, u64), (high_at, high): (f64, u64)) -> T {
    let part = (quantile - low_at) / (high_at - low_at);
    let offset = (high.saturating_sub(low) as f64 * part) as u64;
    T::from_units(low.saturating_add(offset).min(high))
}

fn unit(example: &str) -> &str {
    example.trim_start_matches(|letter: char| letter.is_ascii_digit())
}

impl<T: Quantity> fmt::Display for Spread<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(value) => formatter.write_str(&value.text()),
            Self::Range(from, to) => write!(formatter, "{}..{}", from.text(), to.text()),
            Self::Percentiles(Quantiles { p50, p90, p99 }) => {
                write!(formatter, "p50={} p90={} p99={}", p50.text(), p90.text(), p99.text())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Size;

    #[test]
    fn a_spread_is_a_value_a_range_or_percentiles() {
        for text in ["5ms", "1ms..9ms", "p50=5ms p90=20ms p99=80ms", "0s", "1s500ms"] {
            assert_eq!(Spread::<Duration>::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Spread::<Size>::parse("1KiB..2MiB").unwrap().to_string(), "1KiB..2MiB");
        for text in [
            "",
            "x",
            "9ms..1ms",
            "1ms..",
            "p50=5ms",
            "p50=5ms p90=4ms p99=9ms",
            "p50=1ms p90=1ms p99=1ms p99=1ms",
            "p90=1ms p50=1ms p99=1ms",
        ] {
            assert_eq!(Spread::<Duration>::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_percentiles_of_the_draws_are_those_asked_for() {
        let spread = Spread::<Duration>::parse("p50=5ms p90=20ms p99=80ms").unwrap();
        for (quantile, ms) in [(0.0, 2.5), (0.25, 3.75), (0.5, 5.0), (0.7, 12.5), (0.9, 20.0), (0.99, 80.0)] {
            let drawn = spread.at(quantile).as_secs_f64() * 1e3;
            assert!((drawn - ms).abs() < 0.001, "{quantile}: {drawn}");
        }
        assert_eq!(spread.at(1.0), spread.most());
        assert_eq!(Spread::<Duration>::parse("1ms..9ms").unwrap().at(0.5), Duration::from_millis(5));
    }

    #[test]
    fn the_message_shows_every_form_with_the_right_unit() {
        assert_eq!(
            Spread::<Size>::allowed(),
            "a value such as 10KiB, a range (1KiB..9KiB) or percentiles (p50=1KiB p90=5KiB p99=9KiB)"
        );
    }
}
