//! Exact percentiles: the collector's memory bounds the number of samples.

use serde::{Serialize, Serializer};

/// Durations in microseconds.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<u64>);

/// Two percentiles by the nearest rank, in milliseconds with three decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// The median.
    #[serde(serialize_with = "milliseconds")]
    pub p50: Option<u64>,
    /// The 99th percentile.
    #[serde(serialize_with = "milliseconds")]
    pub p99: Option<u64>,
}

impl Samples {
    pub(super) fn add(&mut self, micros: u64) {
        self.0.push(micros);
    }

    pub(super) fn percentiles(mut self) -> Percentiles {
        self.0.sort_unstable();
        Percentiles { p50: self.at(50), p99: self.at(99) }
    }

    fn at(&self, percent: usize) -> Option<u64> {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0.get(rank.checked_sub(1)?).copied()
    }
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn milliseconds<S: Serializer>(micros: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    #[expect(clippy::cast_precision_loss, reason = "only durations of centuries lose a microsecond")]
    let milliseconds = micros.map(|micros| micros as f64 / 1_000.0);
    milliseconds.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let percentiles = |micros: &[u64]| Samples(micros.to_vec()).percentiles();
        assert_eq!(percentiles(&[]), Percentiles { p50: None, p99: None });
        assert_eq!(percentiles(&[7]), Percentiles { p50: Some(7), p99: Some(7) });
        assert_eq!(percentiles(&[4, 1, 3, 2]), Percentiles { p50: Some(2), p99: Some(4) });
        let hundred: Vec<_> = (1..=100).collect();
        assert_eq!(percentiles(&hundred), Percentiles { p50: Some(50), p99: Some(99) });
        let json = serde_json::to_string(&percentiles(&[1_234])).unwrap();
        assert_eq!(json, r#"{"p50":1.234,"p99":1.234}"#);
    }
}
