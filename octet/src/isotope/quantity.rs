//! Isotope's quantities: durations of Go, sizes of Docker's units, percentages.

use std::time::Duration;

/// A duration such as `10ms`, `1.5s` or `1m30s`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|next: char| !next.is_ascii_digit() && next != '.')?;
        let (number, unit) = rest.split_at(digits);
        let letters = unit.find(|next: char| next.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, next) = unit.split_at(letters);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * seconds;
        rest = next;
    }
    Duration::try_from_secs_f64(total).ok()
}

/// Bytes of a size such as `128`, `1KB`, `1 KB` or `10kB`; its units are powers of 1024.
pub(super) fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|next: char| !next.is_ascii_digit() && next != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates"
    )]
    Some((bytes * factor as f64) as u64)
}

/// A percentage such as `10%`, from 0 to 100, or a share such as `0.1`, from 0 to 1.
pub(super) fn percentage(text: &str) -> Option<f64> {
    let text = text.trim();
    let percent = match text.strip_suffix('%') {
        Some(number) => number.trim().parse::<f64>().ok()?,
        None => text.parse::<f64>().ok()? * 100.0,
    };
    (0.0..=100.0).contains(&percent).then_some(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_and_others_refused() {
        assert_eq!(duration("1m1.5s"), Some(Duration::from_millis(61_500)));
        assert_eq!(duration("10ms"), Some(Duration::from_millis(10)));
        assert!(["", "10", "ms", "1x", "1.2.3s"].iter().all(|text| duration(text).is_none()));
        assert_eq!(["128", "1 KB", "1.5k", "2MiB"].map(size), [128, 1024, 1536, 2 << 20].map(Some));
        assert!(["", "KB", "1 elephant", "-1"].iter().all(|text| size(text).is_none()));
        assert_eq!(["10%", "0.5"].map(percentage), [10.0, 50.0].map(Some));
        assert!(["101%", "-1%", "x"].iter().all(|text| percentage(text).is_none()));
    }
}
