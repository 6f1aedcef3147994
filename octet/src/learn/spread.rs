//! Times as a spread: a value, a range, or percentiles.

use std::time::Duration;

use octet_fault::{Quantiles, Spread};

/// Less than this is what a service of Octet takes without any work.
const LEAST: u64 = 2_000;

/// The relative difference below which a form is taken.
const CLOSE: f64 = 0.1;

/// The spread of these microseconds; `None` for times that need no work.
pub(super) fn spread(mut micros: Vec<u64>) -> Option<Spread<Duration>> {
    micros.sort_unstable();
    let at = |share: f64| micros.get(rank(share, micros.len())).copied();
    let (p1, p10) = (at(0.01)?, at(0.1)?);
    let (p50, p90, p99) = (at(0.5)?, at(0.9)?, at(0.99)?);
    if p50 < LEAST && p99 < 5 * LEAST {
        return None;
    }
    let is_close = |one: u64, other: f64, of: f64| (precise(one) - other).abs() <= CLOSE * of;
    let duration = |micros: u64| Duration::from_micros(rounded(micros));
    let middle = precise(p50);
    if is_close(p1, middle, middle) && is_close(p99, middle, middle) {
        return Some(Spread::Fixed(duration(p50)));
    }
    let (low, high) = (precise(p1), precise(p99));
    let is_linear = |value: u64, share: f64| is_close(value, low + (high - low) * share, high - low);
    if is_linear(p10, 0.1) && is_linear(p50, 0.5) && is_linear(p90, 0.9) {
        return Some(Spread::Range(duration(p1), duration(p99)));
    }
    Some(Spread::Percentiles(Quantiles { p50: duration(p50), p90: duration(p90), p99: duration(p99) }))
}

/// Three digits are more than the measurement has.
fn rounded(micros: u64) -> u64 {
    let mut unit = 1;
    while micros / unit >= 1_000 {
        unit *= 10;
    }
    (micros + unit / 2) / unit * unit
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "between 0 and the number of times"
)]
fn rank(share: f64, count: usize) -> usize {
    ((share * count as f64).ceil() as usize).clamp(1, count.max(1)) - 1
}

#[allow(clippy::cast_precision_loss, reason = "microseconds of one call")]
fn precise(micros: u64) -> f64 {
    micros as f64
}
