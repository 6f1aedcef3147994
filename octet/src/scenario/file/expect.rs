//! The `[[expect]]` tables.

use std::time::Duration;

use octet_topology::{
    Topology,
    document::{Fields, Reporter, Text},
};

use super::{MAX_TABLES, at_field, duration, process_names, unknown_process};
use crate::{
    audit::telemetry::FindingKind,
    scenario::{
        condition::{Condition, Vocabulary},
        model::{Action, Check, Expectation, Verb, When},
    },
};

pub(in crate::scenario) const FIELDS: [&str; 11] = [
    "when",
    "within",
    "latency",
    "errors",
    "goodput",
    "failures_only",
    "queue",
    "readiness",
    "alert",
    "audit",
    "telemetry",
];

pub(in crate::scenario) const READINESS_FIELDS: [&str; 2] = ["ready", "unready"];
pub(in crate::scenario) const ALERT_FIELDS: [&str; 3] = ["fire", "within", "others"];
pub(in crate::scenario) const TELEMETRY_FIELDS: [&str; 4] = ["lost", "doubled", "wrong_parent", "counters"];

pub(in crate::scenario) const LATENCY: Vocabulary =
    Vocabulary { names: &["p", "avg", "min", "max"], is_time: true };
pub(in crate::scenario) const ERRORS: Vocabulary = Vocabulary { names: &["rate", "count"], is_time: false };
pub(in crate::scenario) const RATE: Vocabulary = Vocabulary { names: &["rate"], is_time: false };
pub(in crate::scenario) const QUEUE: Vocabulary =
    Vocabulary { names: &["ready", "leased", "depth", "dead_lettered"], is_time: false };

/// How long an expectation may wait.
const MAX_WITHIN: Duration = Duration::from_hours(1);

pub(super) fn expectations(
    fields: &Fields<'_>,
    topology: Option<&Topology>,
    has_disturbance: bool,
    reporter: &mut Reporter,
) -> Vec<Expectation> {
    let tables = fields.tables("expect", MAX_TABLES, reporter);
    if tables.is_empty() {
        reporter.report(&at_field(fields, "expect"), "must have at least one [[expect]]");
    }
    let mut expectations = Vec::new();
    for table in tables {
        expectations.extend(expectation(&table, topology, has_disturbance, reporter));
    }
    expectations
}

fn expectation(
    table: &Fields<'_>,
    topology: Option<&Topology>,
    has_disturbance: bool,
    reporter: &mut Reporter,
) -> Option<Expectation> {
    table.refuse_others(&FIELDS, reporter);
    let when = table.required_text("when", reporter).and_then(|text| {
        let when = When::ALL.iter().find(|(name, _)| *name == text.value).map(|(_, when)| *when);
        if when.is_none() {
            reporter.report(&text.position, "must be one of before, during, after, end");
        } else if when != Some(When::End) && !has_disturbance {
            reporter.report(
                &text.position,
                "needs a [[fault]] or an [[action]]; without one there is only \"end\"",
            );
        }
        when
    });
    let within = duration(table, "within", Duration::from_millis(1), MAX_WITHIN, reporter);
    let mut checks = Vec::new();
    for (key, vocabulary, check) in [
        ("latency", LATENCY, Check::Latency as fn(Condition) -> Check),
        ("errors", ERRORS, Check::Errors),
        ("goodput", RATE, Check::Goodput),
        ("queue", QUEUE, Check::Queue),
    ] {
        checks.extend(conditions(table, key, vocabulary, reporter).into_iter().map(check));
    }
    if let Some((position, outcomes)) = table.texts("failures_only", reporter) {
        if outcomes.is_empty() {
            reporter.report(&position, "must have at least one outcome, such as \"HTTP 503\"");
        }
        checks.push(Check::FailuresOnly(outcomes.iter().map(|outcome| outcome.value.to_owned()).collect()));
    }
    readiness(table, topology, &mut checks, reporter);
    alert(table, &mut checks, reporter);
    if let Some(audit) = table.text("audit", reporter) {
        if audit.value != "clean" {
            reporter.report(&audit.position, "must be \"clean\"");
        } else if when.is_some_and(|when| when != When::End) {
            reporter.report(&audit.position, "is known only with when = \"end\"");
        }
        checks.push(Check::Audit);
    }
    telemetry(table, when, &mut checks, reporter);
    if checks.is_empty() && reporter.is_empty() {
        reporter.report(&table.position, "must expect something: latency, errors, goodput, …");
    }
    Some(Expectation { when: when?, within, checks })
}

/// A process that is started again counts from zero.
pub(super) fn check_counters(fields: &Fields<'_>, actions: &[Action], reporter: &mut Reporter) {
    let Some(action) = actions.iter().find(|action| {
        matches!(action.verb, Verb::Kill | Verb::Stop | Verb::Restart) && action.at != "collector"
    }) else {
        return;
    };
    let mut unheard = Reporter::default();
    for table in fields.tables("expect", MAX_TABLES, &mut unheard) {
        let telemetry = table.table("telemetry", &mut unheard);
        if let Some(counters) = telemetry.and_then(|fields| fields.text("counters", &mut unheard)) {
            let message =
                format!("cannot be judged with `{action}`: a process that is started again counts from zero");
            reporter.report(&counters.position, message);
        }
    }
}

fn telemetry(table: &Fields<'_>, when: Option<When>, checks: &mut Vec<Check>, reporter: &mut Reporter) {
    let Some(fields) = table.table("telemetry", reporter) else { return };
    fields.refuse_others(&TELEMETRY_FIELDS, reporter);
    if when.is_some_and(|when| when != When::End) {
        reporter.report(&fields.position, "is known only with when = \"end\"");
    }
    let before = checks.len();
    for (key, kind) in [
        ("lost", FindingKind::Lost),
        ("doubled", FindingKind::Doubled),
        ("wrong_parent", FindingKind::WrongParent),
    ] {
        let conditions = conditions(&fields, key, ERRORS, reporter);
        checks.extend(conditions.into_iter().map(|condition| Check::Telemetry(kind, condition)));
    }
    if let Some(counters) = fields.text("counters", reporter) {
        if counters.value != "agree" {
            reporter.report(&counters.position, "must be \"agree\"");
        }
        checks.push(Check::Counters);
    }
    if checks.len() == before {
        reporter.report(&fields.position, "must expect something: lost, doubled, wrong_parent or counters");
    }
}

fn conditions(
    table: &Fields<'_>,
    key: &str,
    vocabulary: Vocabulary,
    reporter: &mut Reporter,
) -> Vec<Condition> {
    let Some((_, texts)) = table.texts(key, reporter) else { return Vec::new() };
    let mut conditions = Vec::new();
    for Text { value, position } in texts {
        match Condition::parse(value, vocabulary) {
            Ok(condition) => conditions.push(condition),
            Err(allowed) => reporter.report(&position, format!("must be {allowed}")),
        }
    }
    conditions
}

fn readiness(
    table: &Fields<'_>,
    topology: Option<&Topology>,
    checks: &mut Vec<Check>,
    reporter: &mut Reporter,
) {
    let Some(fields) = table.table("readiness", reporter) else { return };
    fields.refuse_others(&READINESS_FIELDS, reporter);
    let all = topology.map(process_names).unwrap_or_default();
    for (key, is_ready) in [("ready", true), ("unready", false)] {
        let Some((_, names)) = fields.texts(key, reporter) else { continue };
        for name in names {
            if topology.is_some() && !all.contains(name.value) {
                reporter.report(&name.position, unknown_process(name.value, &all));
            }
            checks.push(Check::Readiness { process: name.value.to_owned(), is_ready });
        }
    }
}

fn alert(table: &Fields<'_>, checks: &mut Vec<Check>, reporter: &mut Reporter) {
    let Some(fields) = table.table("alert", reporter) else { return };
    fields.refuse_others(&ALERT_FIELDS, reporter);
    let fire = fields.texts("fire", reporter).map(|(_, names)| names).unwrap_or_default();
    let others = fields.text("others", reporter);
    if let Some(others) = others.as_ref().filter(|others| !["none", "any"].contains(&others.value)) {
        reporter.report(&others.position, "must be \"none\" or \"any\"");
    }
    let no_others = others.is_some_and(|others| others.value == "none");
    if fire.is_empty() && !no_others {
        reporter.report(&fields.position, "must name alerts that fire, or have others = \"none\"");
    }
    let within = duration(&fields, "within", Duration::from_secs(1), MAX_WITHIN, reporter);
    checks.push(Check::Alert {
        fire: fire.iter().map(|name| name.value.to_owned()).collect(),
        within,
        no_others,
    });
}
