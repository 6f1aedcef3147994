//! Durations in a query.

use super::json::MAX_SECONDS_OF_DURATION;

const NANOS: i128 = 1_000_000_000;
/// In this order, no unit is a prefix of a later one. Go accepts both code points for the micro sign.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", NANOS),
    ("m", 60 * NANOS),
    ("h", 3_600 * NANOS),
];

/// Reads what Go's `time.ParseDuration` reads, as grpc-gateway does: `1.5s`, `-2h45m`, `100ms`, `0`. The proto3
/// JSON form (`1.5s`) is part of it. Unlike Go, this refuses fractions of a nanosecond.
///
/// Returns seconds and nanoseconds, both with the duration's sign, or `None`.
pub(super) fn parse(text: &str) -> Option<(i64, i32)> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some((0, 0));
    }

    let mut total: i128 = 0;
    loop {
        let whole = digits(&mut rest);
        let fraction = if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            digits(&mut rest)
        } else {
            ""
        };
        let (unit, nanos) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
        rest = rest.strip_prefix(unit)?;
        total = total.checked_add(part(whole, fraction, *nanos)?)?;
        if rest.is_empty() {
            break;
        }
    }

    let total = sign * total;
    let seconds = i64::try_from(total / NANOS)
        .ok()
        .filter(|seconds| seconds.unsigned_abs() <= MAX_SECONDS_OF_DURATION)?;
    Some((seconds, i32::try_from(total % NANOS).ok()?))
}

/// `whole.fraction` of a unit, in nanoseconds.
fn part(whole: &str, fraction: &str, unit: i128) -> Option<i128> {
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let number = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i128>().ok() };
    let fraction = fraction.trim_end_matches('0');
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let nanos = number(fraction)?.checked_mul(unit).filter(|nanos| nanos % scale == 0)?;
    number(whole)?.checked_mul(unit)?.checked_add(nanos / scale)
}

fn digits<'t>(rest: &mut &'t str) -> &'t str {
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("0", Some((0, 0))),
            ("1.5s", Some((1, 500_000_000))),
            ("-1.5s", Some((-1, -500_000_000))),
            ("+2h45m", Some((9_900, 0))),
            ("100ms", Some((0, 100_000_000))),
            (".5s", Some((0, 500_000_000))),
            ("3µs7ns", Some((0, 3_007))),
            ("315576000000s", Some((315_576_000_000, 0))),
            ("315576000001s", None),
            ("1.000000000000000000000000000000000s", Some((1, 0))),
            ("0.0000000001s", None),
            ("0.00000000000000000001h", None),
            ("99999999999999999999999999999999999999999999h", None),
            ("1", None),
            ("", None),
            ("-", None),
            (".s", None),
            ("1d", None),
            ("1s ", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
