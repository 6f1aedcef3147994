//! Grades a diagnosis against what took place.
//!
//! Each fault and action of the ledger is found by at most one finding of the diagnosis. Half of its mark is for the place,
//! three tenths for what it is, and two tenths for when. The score is the sum, divided by whichever is more: what took place,
//! or what the diagnosis claims. So nothing is won by guessing.

use octet_fault::{parse, parse_duration};
use serde::{Deserialize, Serialize};

use crate::audit::printable::printable;

/// The largest file, in bytes: a ledger has at most 128 entries, and a report two million requests as counts of seconds.
pub(crate) const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Characters of a text from one of the files that are printed.
const MAX_PRINTED: usize = 500;

/// The most findings of a diagnosis.
const MAX_FINDINGS: usize = 1_000;

const PLACE: f64 = 0.5;
const WHAT: f64 = 0.3;
const WHEN: f64 = 0.2;

/// A diagnosis.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Diagnosis {
    findings: Vec<Claim>,
}

/// One finding.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    /// A service, a replica, a call, or a process, as in the scenario.
    at: String,
    /// The effect of a fault, or an action.
    what: String,
    /// Seconds after the start of the load, or a duration.
    from: Option<Moment>,
    until: Option<Moment>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Moment {
    Seconds(f64),
    Text(String),
}

impl Moment {
    fn seconds(&self) -> Result<f64, String> {
        let seconds = match self {
            Self::Seconds(seconds) => Some(*seconds),
            Self::Text(text) => parse_duration(text).map(|duration| duration.as_secs_f64()),
        };
        seconds
            .filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
            .ok_or_else(|| "from and until must be seconds, or a duration such as \"1m30s\"".to_owned())
    }
}

/// The parts of a report that the grade needs.
#[derive(Debug, Deserialize)]
struct Report {
    rounds: Vec<Round>,
}

#[derive(Debug, Deserialize)]
struct Round {
    ledger: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    kind: String,
    what: String,
    from_ms: u64,
    until_ms: Option<u64>,
}

/// What took place, in the words of a diagnosis.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Truth {
    pub(crate) at: String,
    pub(crate) what: String,
    pub(crate) from: f64,
    pub(crate) until: f64,
}

/// A mark for each thing that took place.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Mark {
    #[serde(flatten)]
    pub(crate) truth: Truth,
    /// From 0 to 1; 0 where it was not found.
    pub(crate) points: f64,
    /// The place that the diagnosis names; `None` where it was not found.
    pub(crate) claimed: Option<String>,
}

/// The grade.
#[derive(Debug, Serialize)]
pub(crate) struct Score {
    /// From 0 to 1.
    #[serde(rename = "score")]
    pub(crate) total: f64,
    pub(crate) marks: Vec<Mark>,
    /// Findings of what did not take place.
    pub(crate) wrong: Vec<String>,
}

/// Grades a diagnosis against a round of a report, counted from 1.
///
/// # Errors
/// What is wrong with one of the files; it begins with its name, `answer` or `report`.
pub(crate) fn score(answer: &str, report: &str, round: usize) -> Result<Score, String> {
    // Errors quote the files, which may be anybody's, and are printed on a terminal.
    graded(answer, report, round).map_err(|problem| printable(&problem, MAX_PRINTED))
}

fn graded(answer: &str, report: &str, round: usize) -> Result<Score, String> {
    let diagnosis: Diagnosis = serde_json::from_str(answer).map_err(|error| {
        format!("answer: {error}; it must be {{\"findings\": [{{\"at\": …, \"what\": …, \"from\": …, \"until\": …}}]}}")
    })?;
    if diagnosis.findings.len() > MAX_FINDINGS {
        return Err(format!("answer: at most {MAX_FINDINGS} findings"));
    }
    let report: Report = serde_json::from_str(report)
        .map_err(|error| format!("report: {error}; it must be report.json of `octet scenario run --out`"))?;
    let rounds = report.rounds.len();
    let round = round.checked_sub(1).and_then(|index| report.rounds.get(index));
    let round = round.ok_or_else(|| format!("report: it has {rounds} rounds"))?;
    let truths: Vec<_> = round.ledger.iter().filter_map(Entry::truth).collect();
    if truths.is_empty() {
        return Err("report: nothing took place in this round, so that there is nothing to find".to_owned());
    }
    let mut pairs = Vec::new();
    for (index, truth) in truths.iter().enumerate() {
        for (number, claim) in diagnosis.findings.iter().enumerate() {
            pairs.push((
                mark(truth, claim).map_err(|why| format!("answer: findings[{number}]: {why}"))?,
                index,
                number,
            ));
        }
    }
    // The best pairs first: each thing and each finding once.
    pairs.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut marks: Vec<_> =
        truths.iter().map(|truth| Mark { truth: truth.clone(), points: 0.0, claimed: None }).collect();
    let mut used = vec![false; diagnosis.findings.len()];
    for (points, index, number) in pairs {
        let (Some(mark), Some(used), Some(claim)) =
            (marks.get_mut(index), used.get_mut(number), diagnosis.findings.get(number))
        else {
            continue;
        };
        if points > 0.0 && mark.claimed.is_none() && !*used {
            (mark.points, mark.claimed, *used) = (points, Some(printable(&claim.at, MAX_PRINTED)), true);
        }
    }
    let wrong = diagnosis.findings.iter().zip(&used).filter(|(_, used)| !**used);
    let wrong =
        wrong.map(|(claim, _)| printable(&format!("{} at {}", claim.what, claim.at), MAX_PRINTED)).collect();
    let sum: f64 = marks.iter().map(|mark| mark.points).sum();
    let of = u32::try_from(marks.len().max(diagnosis.findings.len())).unwrap_or(u32::MAX);
    Ok(Score { total: sum / f64::from(of), marks, wrong })
}

impl Entry {
    fn truth(&self) -> Option<Truth> {
        let (at, what) = if self.kind == super::ledger::FAULT {
            let fault = parse(&self.what).ok()?.into_iter().next()?;
            (fault.at().to_string(), fault.effect().key().to_owned())
        } else {
            let mut words = self.what.split(' ');
            let verb = words.next()?.to_owned();
            (printable(words.next()?, MAX_PRINTED), printable(&verb, MAX_PRINTED))
        };
        let seconds = |millis: u64| std::time::Duration::from_millis(millis).as_secs_f64();
        let until = self.until_ms.unwrap_or(self.from_ms);
        Some(Truth { at, what, from: seconds(self.from_ms), until: seconds(until) })
    }
}

/// From 0, for another place, to 1.
fn mark(truth: &Truth, claim: &Claim) -> Result<f64, String> {
    let from = claim.from.as_ref().map(Moment::seconds).transpose()?;
    let until = claim.until.as_ref().map(Moment::seconds).transpose()?;
    let place = place(&truth.at, &claim.at);
    if place == 0.0 {
        return Ok(0.0);
    }
    let what = if truth.what == claim.what.trim() { WHAT } else { 0.0 };
    Ok(PLACE * place + what + WHEN * overlap((truth.from, truth.until), from, until))
}

/// 1 for the same place; a half where one of both is a part of the other.
fn place(truth: &str, claim: &str) -> f64 {
    let claim = claim.trim();
    if truth == claim {
        return 1.0;
    }
    let parts = |at: &str| -> Vec<String> {
        at.split('>').map(|part| part.split('#').next().unwrap_or_default().to_owned()).collect()
    };
    let (truth, claim) = (parts(truth), parts(claim));
    // The service that is called is at fault, or its caller's connection to it.
    let is_part = truth.last().is_some_and(|last| claim.last() == Some(last) && last != "*");
    if is_part && (truth.len() == 1 || claim.len() == 1) { 0.5 } else { 0.0 }
}

/// How much of both times they share; nothing where the diagnosis has no start.
fn overlap(truth: (f64, f64), from: Option<f64>, until: Option<f64>) -> f64 {
    // An action of a moment lasts a second.
    let truth = (truth.0, truth.1.max(truth.0 + 1.0));
    let Some(from) = from else { return 0.0 };
    let until = until.unwrap_or(truth.1).max(from + 1.0);
    let shared = truth.1.min(until) - truth.0.max(from);
    let all = truth.1.max(until) - truth.0.min(from);
    (shared / all).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests;
