//! Compares what was measured with what was expected.

mod telemetry;

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    condition::Condition,
    ledger::{Entry, clock, millis},
    measure::{Measure, Point},
    model::{Check, Scenario, When},
    states::Seen,
    telemetry::Telemetry,
};

/// How one check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Outcome {
    Held,
    Broken,
    /// It needs something that is not there: the rest of the scenario is judged without it.
    Skipped,
    Unjudged,
}

/// One case of the report.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Case {
    pub(crate) when: &'static str,
    pub(crate) expected: String,
    pub(crate) outcome: Outcome,
    pub(crate) measured: String,
    /// The first second in which the condition was not met, after the start.
    pub(crate) first_bad_second: Option<u32>,
    pub(crate) traces: Vec<String>,
}

/// Everything that was measured.
pub(crate) struct Evidence<'a> {
    pub(crate) points: &'a [Point],
    pub(crate) measure: &'a Measure,
    pub(crate) ledger: &'a [Entry],
    pub(crate) seen: &'a [Seen],
    /// Requests that were due and never sent.
    pub(crate) unsent: u64,
    /// The audit's result: whether it is clean, and its words; `None` if it was not asked for.
    pub(crate) audit: Option<(bool, String)>,
    /// The telemetry audit's result; `None` if it was not asked for.
    pub(crate) telemetry: Option<&'a Result<Telemetry, String>>,
    /// Whether stores and queues can be read.
    pub(crate) has_stores: bool,
    pub(crate) has_prometheus: bool,
}

/// Why stores and queues are not judged.
const NO_STORES: &str =
    "the stores and queues of the running mesh are not known: name them with --data or the environment";

/// A window in milliseconds after the start.
pub(crate) type Window = (u64, u64);

/// The parts of the run, by the faults and actions that took place.
pub(crate) fn windows(scenario: &Scenario, ledger: &[Entry]) -> BTreeMap<When, Window> {
    let (end, warm_up) = (millis(scenario.load.lasting), millis(scenario.load.warm_up));
    let first = ledger.iter().map(|entry| entry.from_ms).min().unwrap_or(end).min(end);
    let last = ledger.iter().filter_map(|entry| entry.until_ms).max().unwrap_or(first).clamp(first, end);
    BTreeMap::from([
        (When::Before, (warm_up.min(first), first)),
        (When::During, (first, last)),
        (When::After, (last, end)),
        (When::End, (warm_up.min(end), end)),
    ])
}

pub(crate) fn judge(scenario: &Scenario, evidence: &Evidence<'_>) -> Vec<Case> {
    let windows = windows(scenario, evidence.ledger);
    let end = millis(scenario.load.lasting);
    let mut cases = Vec::new();
    for expectation in &scenario.expectations {
        let is_before = expectation.when == When::Before;
        let (from, to) = windows.get(&expectation.when).copied().unwrap_or((0, end));
        let within = expectation.within.map(millis);
        for check in &expectation.checks {
            let state_end = within.map_or(to, |within| from.saturating_add(within));
            let judged = match check {
                Check::Audit | Check::Queue(_) if !evidence.has_stores => simple(Outcome::Skipped, NO_STORES),
                Check::Latency(condition) => {
                    requests(evidence, condition, (from + within.unwrap_or(0), to), latency, false, is_before)
                }
                Check::Errors(condition) => {
                    let window = (from + within.unwrap_or(0), to);
                    let unsent = if to >= end { evidence.unsent } else { 0 };
                    requests(
                        evidence,
                        condition,
                        window,
                        |points, condition, _| errors(points, condition, unsent),
                        true,
                        is_before,
                    )
                }
                Check::Goodput(condition) => {
                    requests(evidence, condition, (from + within.unwrap_or(0), to), goodput, true, is_before)
                }
                Check::FailuresOnly(allowed) => failures_only(evidence, allowed, (from, to), is_before),
                Check::Queue(condition) => {
                    let value = |seen: &Seen| seen.queue.get(condition.name.as_str()).copied();
                    // The end is what remains when the load is over.
                    let window =
                        if expectation.when == When::End { (end, u64::MAX) } else { (from, state_end) };
                    state(evidence, window, |seen| {
                        value(seen).map(|value| (condition.holds(precise(value)), value.to_string()))
                    })
                }
                Check::Readiness { process, is_ready } => {
                    let window =
                        if expectation.when == When::End { (end, u64::MAX) } else { (from, state_end) };
                    state(evidence, window, |seen| {
                        let ready = *seen.ready.get(process)?;
                        Some((ready == *is_ready, if ready { "ready" } else { "not ready" }.to_owned()))
                    })
                }
                Check::Alert { fire, within, no_others } => {
                    alerts(evidence, fire, within.map(millis), *no_others, (from, to))
                }
                Check::Audit => match &evidence.audit {
                    Some((is_clean, words)) => {
                        simple(if *is_clean { Outcome::Held } else { Outcome::Broken }, words)
                    }
                    None => simple(Outcome::Unjudged, "the audit did not run"),
                },
                Check::Telemetry(kind, condition) => telemetry::spans(evidence.telemetry, *kind, condition),
                Check::Counters => telemetry::counters(evidence.telemetry),
            };
            let Judged { outcome, measured, first_bad_second, traces } = judged;
            let when = expectation.when.name();
            cases.push(Case {
                when,
                expected: check.to_string(),
                outcome,
                measured,
                first_bad_second,
                traces,
            });
        }
    }
    cases
}

struct Judged {
    outcome: Outcome,
    measured: String,
    first_bad_second: Option<u32>,
    traces: Vec<String>,
}

fn simple(outcome: Outcome, measured: &str) -> Judged {
    Judged { outcome, measured: measured.to_owned(), first_bad_second: None, traces: Vec::new() }
}

/// Whether the request was due in the window. Before the faults it must have ended, too: one that was in flight meets them.
fn is_inside(point: &Point, (from, to): Window, ends_inside: bool) -> bool {
    let due = u64::from(point.due_ms);
    let ended = due + u64::from(point.latency_us / 1_000);
    (from..to).contains(&due) && (!ends_inside || ended < to)
}

/// A measured value, with its text.
type Value = Option<(f64, String)>;

fn requests(
    evidence: &Evidence<'_>,
    condition: &Condition,
    (from, to): Window,
    value: impl Fn(&[Point], &Condition, u64) -> Value,
    of_failures: bool,
    ends_inside: bool,
) -> Judged {
    let inside = |point: &&Point| is_inside(point, (from, to), ends_inside);
    let points: Vec<Point> = evidence.points.iter().filter(inside).copied().collect();
    let Some((measured, text)) = value(&points, condition, to.saturating_sub(from)) else {
        return simple(
            Outcome::Unjudged,
            &format!("no request was due from {} to {}", clock(from), clock(to)),
        );
    };
    if condition.holds(measured) {
        return simple(Outcome::Held, &text);
    }
    let mut seconds: BTreeMap<u32, Vec<Point>> = BTreeMap::new();
    for point in points {
        seconds.entry(point.due_ms / 1_000).or_default().push(point);
    }
    let is_bad = |points: &Vec<Point>| {
        value(points, condition, 1_000).is_some_and(|(value, _)| !condition.holds(value))
    };
    let first_bad_second = seconds.iter().find(|(_, points)| is_bad(points)).map(|(second, _)| *second);
    let traces =
        first_bad_second.map(|second| evidence.measure.traces(second, of_failures)).unwrap_or_default();
    Judged { outcome: Outcome::Broken, measured: text, first_bad_second, traces }
}

fn latency(points: &[Point], condition: &Condition, _: u64) -> Value {
    let mut latencies: Vec<u32> = points.iter().map(|point| point.latency_us).collect();
    latencies.sort_unstable();
    let count = latencies.len();
    let micros = match condition.name.as_str() {
        "avg" => latencies.iter().map(|micros| f64::from(*micros)).sum::<f64>() / precise(count as u64),
        "min" => f64::from(*latencies.first()?),
        "max" => f64::from(*latencies.last()?),
        _ => {
            let share = condition.percentile.unwrap_or(100.0) / 100.0;
            f64::from(*latencies.get(rank(share, count))?)
        }
    };
    (count > 0).then(|| (micros / 1_000.0, format!("{:.1} ms of {count} requests", micros / 1_000.0)))
}

/// The nearest rank.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and the number of requests"
)]
fn rank(share: f64, count: usize) -> usize {
    let rank = (share * precise(count as u64)).ceil() as usize;
    rank.clamp(1, count.max(1)) - 1
}

#[allow(clippy::cast_precision_loss, reason = "far fewer than the digits of a double")]
fn precise(count: u64) -> f64 {
    count as f64
}

fn errors(points: &[Point], condition: &Condition, unsent: u64) -> Value {
    let failed = points.iter().filter(|point| !point.outcome.is_success()).count() as u64 + unsent;
    let all = points.len() as u64 + unsent;
    let value = if condition.name == "count" { precise(failed) } else { precise(failed) / precise(all) };
    let unsent = if unsent > 0 { format!(", {unsent} of them never sent") } else { String::new() };
    (all > 0).then(|| {
        (
            value,
            format!(
                "{failed} of {all} requests failed ({:.2} %){unsent}",
                100.0 * precise(failed) / precise(all)
            ),
        )
    })
}

fn goodput(points: &[Point], _: &Condition, millis: u64) -> Value {
    let good = points.iter().filter(|point| point.outcome.is_success()).count() as u64;
    let rate = precise(good) * 1_000.0 / precise(millis);
    (!points.is_empty() && millis > 0).then(|| (rate, format!("{rate:.1} successes a second")))
}

fn failures_only(evidence: &Evidence<'_>, allowed: &[String], window: Window, ends_inside: bool) -> Judged {
    let mut others: BTreeMap<String, u64> = BTreeMap::new();
    let mut first = None;
    for point in evidence.points.iter().filter(|point| is_inside(point, window, ends_inside)) {
        let outcome = point.outcome.to_string();
        if !point.outcome.is_success() && !allowed.contains(&outcome) {
            *others.entry(outcome).or_default() += 1;
            let second = point.due_ms / 1_000;
            first = Some(first.map_or(second, |first: u32| first.min(second)));
        }
    }
    if others.is_empty() {
        return simple(Outcome::Held, "no other failure");
    }
    let text: Vec<_> = others.iter().map(|(outcome, count)| format!("{count} × {outcome}")).collect();
    let traces = first.map(|second| evidence.measure.traces(second, true)).unwrap_or_default();
    Judged { outcome: Outcome::Broken, measured: text.join(", "), first_bad_second: first, traces }
}

/// A state that must be reached at some moment.
fn state(
    evidence: &Evidence<'_>,
    (from, to): Window,
    look: impl Fn(&Seen) -> Option<(bool, String)>,
) -> Judged {
    let inside = evidence.seen.iter().filter(|seen| (from..=to).contains(&seen.at_ms));
    let mut last = None;
    for (seen, (is_met, text)) in inside.filter_map(|seen| Some((seen, look(seen)?))) {
        if is_met {
            return simple(Outcome::Held, &format!("{text} at {}", clock(seen.at_ms)));
        }
        last = Some(text);
    }
    match last {
        Some(text) => simple(Outcome::Broken, &format!("at last {text}")),
        None => simple(Outcome::Unjudged, "nobody could be asked"),
    }
}

fn alerts(
    evidence: &Evidence<'_>,
    fire: &[String],
    within: Option<u64>,
    no_others: bool,
    (from, to): Window,
) -> Judged {
    if !evidence.has_prometheus {
        return simple(Outcome::Skipped, "no --prometheus was given");
    }
    let mut first: BTreeMap<&str, u64> = BTreeMap::new();
    let mut looks = 0;
    for seen in evidence.seen.iter().filter(|seen| (from..=to).contains(&seen.at_ms)) {
        let Some(alerts) = &seen.alerts else { continue };
        looks += 1;
        for alert in alerts {
            first.entry(alert).or_insert(seen.at_ms);
        }
    }
    if looks == 0 {
        return simple(Outcome::Unjudged, "Prometheus did not answer");
    }
    let limit = within.map_or(to, |within| from + within);
    let missed = fire.iter().any(|name| first.get(name.as_str()).is_none_or(|at| *at > limit));
    let others = no_others && first.keys().any(|name| !fire.iter().any(|wanted| wanted == name));
    let text: Vec<_> =
        first.iter().map(|(name, at)| format!("{name} after {}", clock(at.saturating_sub(from)))).collect();
    let text = if text.is_empty() { "no alert fired".to_owned() } else { text.join(", ") };
    simple(if missed || others { Outcome::Broken } else { Outcome::Held }, &text)
}

#[cfg(test)]
mod tests;
