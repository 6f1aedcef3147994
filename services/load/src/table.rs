//! Reports for people.

use std::fmt::Write as _;

use crate::report::{Example, Latency, Report, Second};

/// Failed requests that the summary names.
const FAILURES: usize = 5;
/// Slow requests that the summary names.
const SLOWEST: usize = 3;

/// The heading of [`row`].
pub fn heading() -> String {
    format!("{:>6} {:>9} {:>9} {:>9} {:>9} {:>9}  errors", "second", "requests", "ok", "p50", "p99", "max")
}

/// One second of a load. A second in which no request ended has no latencies.
pub fn row(second: &Second) -> String {
    let failed: u64 = second.errors.values().sum();
    let errors: Vec<_> = second.errors.iter().map(|(name, count)| format!("{count} × {name}")).collect();
    let latency = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), milliseconds);
    format!(
        "{:>6} {:>9} {:>9} {:>9} {:>9} {:>9}  {}",
        second.second,
        second.requests,
        second.requests - failed.min(second.requests),
        latency(second.p50_ms),
        latency(second.p99_ms),
        latency(second.max_ms),
        errors.join(", ")
    )
    .trim_end()
    .to_owned()
}

/// The results of a whole load.
pub fn summary(report: &Report) -> String {
    let mut text = String::new();
    let pace = report.rate.map_or_else(
        || format!("{} users", report.users),
        |rate| format!("{rate} requests per second, at most {} at a time", report.users),
    );
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{} over {}: {pace}", report.target, report.protocol.name());
    let _ = writeln!(
        text,
        "{} in {:.2} s, {:.1} per second; {} succeeded, {} failed",
        requests(report.requests),
        report.elapsed_seconds,
        report.per_second,
        report.succeeded,
        report.failed
    );
    if report.in_flight > 0 {
        let _ = writeln!(text, "{} had no response when the load was ended", requests(report.in_flight));
    }
    if report.late > 0 || report.unsent > 0 {
        let _ = writeln!(
            text,
            "{} started more than 10 ms after the due time, and {} not sent: all {} users were waiting for responses. \
             Latencies count from the due time.",
            requests(report.late),
            report.unsent,
            report.users
        );
    }
    for (name, count) in &report.outcomes {
        let _ = writeln!(text, "  {count:>9}  {name}");
    }
    if let Some(all) = &report.latency {
        let _ = writeln!(text, "\n{:18} {:>9} {:>9}", "latency", "all", "succeeded");
        let succeeded = report.success_latency.as_ref().map(Latency::named);
        for (index, (name, value)) in all.named().into_iter().enumerate() {
            let of_success =
                succeeded.and_then(|values| values.get(index).map(|(_, value)| milliseconds(*value)));
            let of_success = of_success.unwrap_or_else(|| "–".to_owned());
            let _ = writeln!(text, "  {name:16} {:>9} {of_success:>9}", milliseconds(value));
        }
    }
    examples(&mut text, "slowest that succeeded", report.slowest.iter().take(SLOWEST));
    examples(&mut text, "first that failed", report.failures.iter().take(FAILURES));
    text.trim_end().to_owned()
}

fn requests(count: u64) -> String {
    format!("{count} request{}", if count == 1 { "" } else { "s" })
}

fn examples<'a>(text: &mut String, title: &str, examples: impl Iterator<Item = &'a Example>) {
    for (index, example) in examples.enumerate() {
        if index == 0 {
            let _ = writeln!(text, "\n{title}");
        }
        let _ = writeln!(
            text,
            "  after {:>7.2} s  {:>9}  {}{}",
            example.at_ms / 1_000.0,
            milliseconds(example.latency_ms),
            example.outcome,
            example.trace_id.as_ref().map(|id| format!("  trace {id}")).unwrap_or_default()
        );
    }
}

/// With three significant digits, and the unit.
pub(crate) fn milliseconds(value: f64) -> String {
    match value {
        value if value < 9.995 => format!("{value:.2} ms"),
        value if value < 99.95 => format!("{value:.1} ms"),
        value if value < 999.5 => format!("{value:.0} ms"),
        value if value < 9_995.0 => format!("{:.2} s", value / 1_000.0),
        value => format!("{:.1} s", value / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn latencies_have_three_digits_and_a_unit() {
        for (value, text) in [
            (0.084, "0.08 ms"),
            (5.9, "5.90 ms"),
            (12.34, "12.3 ms"),
            (123.4, "123 ms"),
            (1_234.0, "1.23 s"),
            (15_004.0, "15.0 s"),
        ] {
            assert_eq!(milliseconds(value), text);
        }
    }

    #[test]
    fn a_row_names_its_errors_and_a_gap_has_no_latencies() {
        let errors = BTreeMap::from([("HTTP 504".to_owned(), 2), ("timeout".to_owned(), 1)]);
        let row_of = |requests, errors, latency| {
            row(&Second {
                second: 7,
                length: 1.0,
                requests,
                errors,
                p50_ms: latency,
                p99_ms: latency,
                max_ms: latency,
            })
        };
        let text = row_of(10, errors, Some(5.0));
        assert!(text.ends_with("2 × HTTP 504, 1 × timeout"), "{text}");
        assert_eq!(text.split_whitespace().take(3).collect::<Vec<_>>(), ["7", "10", "7"]);
        let gap = row_of(0, BTreeMap::new(), None);
        assert_eq!(gap.split_whitespace().collect::<Vec<_>>(), ["7", "0", "0", "–", "–", "–"]);
    }
}
