//! A run while it lasts: lines for a terminal, or for a program a snapshot in JSON whenever something changes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use octet_load::Report;
use serde::Serialize;

use super::{
    judge::{Case, Window, windows},
    ledger::{ACTION, Entry, FAULT, millis},
    model::{Scenario, When},
    round::{INTERRUPTED, Round, Verdict},
};
use crate::output;

/// What stands in the place of a blind fault, which somebody has to find.
const BLIND: &str = "a blind fault";

/// Shows a run.
#[derive(Clone)]
pub(crate) struct Live(Option<Arc<Mutex<Snapshot>>>);

/// How far a round is.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Progress {
    /// The mesh starts, or is being looked for.
    Starting,
    /// The load runs.
    Running,
    /// The load is over, and what remains is awaited.
    Judging,
    Done,
    /// Somebody ended it.
    Stopped,
}

/// Everything that is known of a round.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot {
    title: String,
    round: u32,
    rounds: u32,
    state: Progress,
    /// `null` before the load.
    elapsed_ms: Option<u64>,
    lasting_ms: u64,
    /// As planned, and in the end as they were. Empty before the end if somebody has to find a fault: they would show when it acts.
    windows: Vec<Span>,
    /// Without blind faults.
    planned: Vec<Entry>,
    ledger: Vec<Entry>,
    expectations: Vec<Expected>,
    seconds: Vec<Row>,
    verdict: Option<Verdict>,
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    when: &'static str,
    from_ms: u64,
    until_ms: u64,
}

/// An expectation, and at the end of the round how it was met.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Expected {
    Awaited { when: &'static str, expected: String },
    Judged(Case),
}

/// One second of the load.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    second: u32,
    requests: u64,
    failed: u64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

impl Live {
    /// Lines for people.
    pub(crate) fn terminal() -> Self {
        Self(None)
    }

    /// A line of JSON for each change.
    pub(crate) fn json(scenario: &Scenario, rounds: u32) -> Self {
        let planned = planned(scenario);
        let snapshot = Snapshot {
            title: scenario.title.clone(),
            round: 0,
            rounds,
            state: Progress::Starting,
            elapsed_ms: None,
            lasting_ms: millis(scenario.load.lasting),
            windows: Vec::new(),
            planned,
            ledger: Vec::new(),
            expectations: Vec::new(),
            seconds: Vec::new(),
            verdict: None,
            reason: None,
        };
        Self(Some(Arc::new(Mutex::new(snapshot))))
    }

    /// A line for people.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        if self.0.is_none() {
            output::line(text);
        }
    }

    /// A round starts.
    pub(crate) fn round(&self, scenario: &Scenario, number: u32) {
        self.change(|snapshot| {
            let expectations = scenario.expectations.iter().flat_map(|expectation| {
                let when = expectation.when.name();
                expectation
                    .checks
                    .iter()
                    .map(move |check| Expected::Awaited { when, expected: check.to_string() })
            });
            *snapshot = Snapshot {
                round: number,
                state: Progress::Starting,
                elapsed_ms: None,
                windows: planned_windows(scenario),
                ledger: Vec::new(),
                expectations: expectations.collect(),
                seconds: Vec::new(),
                verdict: None,
                reason: None,
                title: std::mem::take(&mut snapshot.title),
                planned: std::mem::take(&mut snapshot.planned),
                ..*snapshot
            };
        });
    }

    pub(crate) fn progress(&self, state: Progress) {
        self.change(|snapshot| snapshot.state = state);
    }

    /// A fault or an action started or ended.
    pub(crate) fn ledger(&self, entries: &[Entry]) {
        self.change(|snapshot| snapshot.ledger = entries.iter().map(hidden).collect());
    }

    /// A second of the load is over: a line each five seconds.
    pub(crate) fn second(&self, report: &Report) {
        const EVERY: u32 = 5;
        if let Some(second) = report.seconds.last().filter(|second| (second.second + 1) % EVERY == 0) {
            let failed: u64 = second.errors.values().sum();
            let p99 = second.p99_ms.map_or("no response".to_owned(), |p99| format!("p99 {p99:.0} ms"));
            self.line(format!("  {:>8}s  {}/s, {failed} failed, {p99}", second.second + 1, second.requests));
        }
        self.change(|snapshot| {
            let last = report.seconds.last().map_or(0, |second| u64::from(second.second) + 1);
            snapshot.elapsed_ms = Some((last * 1_000).min(snapshot.lasting_ms));
            snapshot.seconds = seconds(report);
        });
    }

    /// The round is over.
    pub(crate) fn end(&self, scenario: &Scenario, round: &Round) {
        self.change(|snapshot| {
            let is_stopped = round.reason.as_deref() == Some(INTERRUPTED);
            snapshot.state = if is_stopped { Progress::Stopped } else { Progress::Done };
            (snapshot.verdict, snapshot.reason) = (Some(round.verdict), round.reason.clone());
            let Some(load) = &round.load else { return };
            snapshot.seconds = seconds(load);
            snapshot.windows = spans(windows(scenario, &round.ledger));
            snapshot.ledger = round.ledger.iter().map(hidden).collect();
            snapshot.expectations = round.cases.iter().cloned().map(Expected::Judged).collect();
        });
    }

    fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        let Some(snapshot) = &self.0 else { return };
        let mut snapshot = snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut snapshot);
        // Printed under the lock, so that the lines have the order of the changes. Numbers and text always have a JSON form.
        output::line(serde_json::to_string(&*snapshot).unwrap_or_default());
    }
}

/// What is shown of an entry.
pub(crate) fn shown(what: &str, is_blind: bool) -> &str {
    if is_blind { BLIND } else { what }
}

fn hidden(entry: &Entry) -> Entry {
    if !entry.blind {
        return entry.clone();
    }
    Entry { what: BLIND.to_owned(), acted: None, problems: Vec::new(), ..entry.clone() }
}

fn seconds(report: &Report) -> Vec<Row> {
    let seconds = report.seconds.iter().map(|second| Row {
        second: second.second,
        requests: second.requests,
        failed: second.errors.values().sum(),
        p50_ms: second.p50_ms,
        p99_ms: second.p99_ms,
    });
    seconds.collect()
}

/// The faults and actions of the file at their planned times.
fn all_planned(scenario: &Scenario) -> impl Iterator<Item = Entry> {
    let entry = |kind, what, blind, from, until| Entry {
        kind,
        what,
        blind,
        from_ms: millis(from),
        until_ms: Some(millis(until)),
        acted: None,
        problems: Vec::new(),
    };
    let faults = scenario.faults.iter().map(move |timed| {
        let fault = super::timeline::without_end(&timed.fault);
        entry(FAULT, fault.to_string(), fault.is_blind(), timed.from, timed.until)
    });
    let actions = scenario.actions.iter().map(move |action| {
        let until = action.from + action.lasting.unwrap_or_default();
        entry(ACTION, action.to_string(), false, action.from, until)
    });
    faults.chain(actions)
}

fn planned(scenario: &Scenario) -> Vec<Entry> {
    all_planned(scenario).filter(|entry| !entry.blind).collect()
}

fn planned_windows(scenario: &Scenario) -> Vec<Span> {
    let planned: Vec<_> = all_planned(scenario).collect();
    if planned.iter().any(|entry| entry.blind) {
        return Vec::new();
    }
    spans(windows(scenario, &planned))
}

fn spans(windows: BTreeMap<When, Window>) -> Vec<Span> {
    windows
        .into_iter()
        .map(|(when, (from_ms, until_ms))| Span { when: when.name(), from_ms, until_ms })
        .collect()
}
