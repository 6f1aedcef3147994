//! Two reports, side by side.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

use crate::{report::Report, table::milliseconds};

/// What the second of two loads changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The values that both reports have.
    pub values: Vec<Compared>,
    /// Plans that differ, which makes the ratios questionable: `users: 25 and 50`.
    pub differences: Vec<String>,
}

/// One value of both reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Its name: `requests per second`, `p99`.
    pub name: String,
    /// In milliseconds, per second, or a number of requests.
    pub before: f64,
    /// In the same unit.
    pub after: f64,
    /// `after / before`; `None` if `before` is zero.
    pub ratio: Option<f64>,
    /// Whether the values are in milliseconds.
    pub is_latency: bool,
}

impl Comparison {
    /// Compares two reports.
    pub fn new(before: &Report, after: &Report) -> Self {
        let mut values = vec![value("requests per second", before.per_second, after.per_second)];
        let share = |report: &Report| percentage(report.failed, report.requests);
        values.push(value("failed, %", share(before), share(after)));
        // Of successes: a server that fails at once would look faster.
        if let (Some(one), Some(other)) = (&before.success_latency, &after.success_latency) {
            for ((name, one), (_, other)) in one.named().into_iter().zip(other.named()) {
                values.push(Compared { is_latency: true, ..value(name, one, other) });
            }
        }
        let errors: BTreeSet<&str> = before.errors().chain(after.errors()).map(|(name, _)| name).collect();
        for name in errors {
            let count = |report: &Report| report.outcomes.get(name).copied().unwrap_or_default();
            values.push(value(name, number(count(before)), number(count(after))));
        }
        Self { values, differences: differences(before, after) }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.differences {
            writeln!(formatter, "the loads differ: {difference}")?;
        }
        write!(formatter, "{:24} {:>11} {:>11} {:>8}", "", "before", "after", "ratio")?;
        for compared in &self.values {
            let shown = |value: f64| match value {
                value if compared.is_latency => milliseconds(value),
                value if value.fract() == 0.0 => format!("{value:.0}"),
                value => format!("{value:.1}"),
            };
            let ratio = compared.ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
            write!(
                formatter,
                "\n{:24} {:>11} {:>11} {ratio:>8}",
                compared.name,
                shown(compared.before),
                shown(compared.after)
            )?;
        }
        Ok(())
    }
}

fn value(name: &str, before: f64, after: f64) -> Compared {
    let ratio = (before > 0.0).then(|| (after / before * 1_000.0).round() / 1_000.0);
    Compared { name: name.to_owned(), before, after, ratio, is_latency: false }
}

fn differences(before: &Report, after: &Report) -> Vec<String> {
    let rate = |report: &Report| report.rate.map_or_else(|| "none".to_owned(), |rate| rate.to_string());
    let pairs = [
        ("target", before.target.clone(), after.target.clone()),
        ("protocol", before.protocol.name().to_owned(), after.protocol.name().to_owned()),
        ("users", before.users.to_string(), after.users.to_string()),
        ("rate", rate(before), rate(after)),
    ];
    let differs = |(name, one, other): &(&str, String, String)| {
        (one != other).then(|| format!("{name} {one} before, {other} after"))
    };
    pairs.iter().filter_map(differs).collect()
}

#[allow(clippy::cast_precision_loss, reason = "far fewer requests than the digits of a double")]
fn number(count: u64) -> f64 {
    count as f64
}

fn percentage(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (number(part) / number(whole) * 100_000.0).round() / 1_000.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::Protocol,
        report::{Latency, State},
    };

    fn report(per_second: f64, p99_ms: f64, failed: u64) -> Report {
        let latency = Latency {
            min_ms: 1.0,
            mean_ms: 2.0,
            p50_ms: 2.0,
            p75_ms: 3.0,
            p90_ms: 4.0,
            p95_ms: 5.0,
            p99_ms,
            p99_9_ms: p99_ms,
            max_ms: p99_ms,
        };
        Report {
            state: State::Done,
            target: "http://127.0.0.1:8080".to_owned(),
            protocol: Protocol::Http1,
            users: 25,
            rate: None,
            duration_seconds: 10.0,
            max_requests: None,
            timeout_seconds: 15.0,
            started: String::new(),
            elapsed_seconds: 10.0,
            requests: 1_000,
            succeeded: 1_000 - failed,
            failed,
            in_flight: 0,
            late: 0,
            unsent: 0,
            per_second,
            outcomes: [("HTTP 200".to_owned(), 1_000 - failed), ("HTTP 504".to_owned(), failed)]
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .collect(),
            latency: Some(latency),
            success_latency: Some(latency),
            histogram: Vec::new(),
            seconds: Vec::new(),
            slowest: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn ratio(comparison: &Comparison, name: &str) -> Option<f64> {
        comparison.values.iter().find(|value| value.name == name).expect(name).ratio
    }

    #[test]
    fn ratios_are_of_the_second_report_to_the_first() {
        let comparison = Comparison::new(&report(100.0, 10.0, 0), &report(150.0, 5.0, 10));
        assert_eq!(ratio(&comparison, "requests per second"), Some(1.5));
        assert_eq!(ratio(&comparison, "p99"), Some(0.5));
        assert_eq!(ratio(&comparison, "HTTP 504"), None, "there were none before");
        assert_eq!(comparison.differences, [""; 0]);
        let text = comparison.to_string();
        assert!(text.contains("p99") && text.contains("5.00 ms") && text.contains("0.50"), "{text}");
    }

    #[test]
    fn different_plans_are_named() {
        let other = Report { users: 50, rate: Some(10), ..report(100.0, 10.0, 0) };
        let comparison = Comparison::new(&report(100.0, 10.0, 0), &other);
        assert_eq!(comparison.differences, ["users 25 before, 50 after", "rate none before, 10 after"]);
    }
}
