use octet_load::Outcome as Response;

use super::*;
use crate::scenario::{file::parse, ledger::FAULT};

/// A load of 10 s with a fault from 3 s to 6 s, and what is expected.
fn scenario(expectations: &str) -> Scenario {
    let text = format!(
        "title = \"x\"\n[load]\nrate = \"10/s\"\nfor = \"10s\"\n\
         [[fault]]\nat = \"service-g\"\nabort = \"ABORTED\"\nfrom = \"3s\"\nfor = \"3s\"\n{expectations}"
    );
    parse(&text, "s.toml", &|name| Err(format!("{name}: cannot be read"))).expect("valid")
}

fn entry() -> Entry {
    let what = "at=service-g abort=ABORTED".to_owned();
    Entry {
        kind: FAULT,
        what,
        blind: false,
        from_ms: 3_000,
        until_ms: Some(6_000),
        acted: Some(30),
        problems: Vec::new(),
    }
}

/// Ten requests a second; those from 3 s to 6 s fail, and take half a second.
fn points() -> Vec<Point> {
    let point = |number: u32| {
        let due_ms = number * 100;
        let is_bad = (3_000..6_000).contains(&due_ms);
        let outcome = Response::Http(if is_bad { 503 } else { 200 });
        Point { due_ms, latency_us: if is_bad { 500_000 } else { 10_000 }, outcome }
    };
    (0..100).map(point).collect()
}

/// The outcomes of all cases, with what was measured.
fn judged(
    expectations: &str,
    seen: &[Seen],
    change: impl FnOnce(&mut Evidence<'_>),
) -> Vec<(Outcome, String)> {
    let (points, ledger) = (points(), [entry()]);
    let measure = Measure::new(None, "x".to_owned()).expect("no file");
    let mut evidence = Evidence {
        points: &points,
        measure: &measure,
        ledger: &ledger,
        seen,
        unsent: 0,
        audit: None,
        telemetry: None,
        has_stores: true,
        has_prometheus: true,
    };
    change(&mut evidence);
    let cases = judge(&scenario(expectations), &evidence);
    cases.into_iter().map(|case| (case.outcome, case.measured)).collect()
}

fn outcomes(expectations: &str, seen: &[Seen], change: impl FnOnce(&mut Evidence<'_>)) -> Vec<Outcome> {
    judged(expectations, seen, change).into_iter().map(|(outcome, _)| outcome).collect()
}

#[test]
fn each_part_of_the_run_is_judged_by_its_own_requests() {
    let expectations = "[[expect]]\nwhen = \"before\"\nerrors = [\"rate==0\"]\nlatency = [\"p(99)<20ms\"]\n\
         [[expect]]\nwhen = \"during\"\nerrors = [\"rate==1\", \"count<30\"]\nlatency = [\"max<=500ms\", \"min>500ms\"]\n\
         [[expect]]\nwhen = \"after\"\nerrors = [\"count==0\"]";
    let mut found = judged(expectations, &[], |_| {});
    // In the order of the checks, whatever that of the fields is.
    found.sort_by(|(_, one), (_, other)| one.cmp(other));
    let held = found.iter().filter(|(outcome, _)| *outcome == Outcome::Held).count();
    let broken: Vec<_> =
        found.iter().filter(|(outcome, _)| *outcome == Outcome::Broken).map(|(_, text)| text).collect();
    assert_eq!(held, 5, "{found:?}");
    assert_eq!(broken, ["30 of 30 requests failed (100.00 %)", "500.0 ms of 30 requests"]);
}

#[test]
fn requests_that_were_never_sent_are_failures_of_the_last_part() {
    let expectations = "[[expect]]\nwhen = \"after\"\nerrors = [\"rate==0\"]\n[[expect]]\nwhen = \"before\"\nerrors = [\"rate==0\"]";
    assert_eq!(outcomes(expectations, &[], |evidence| evidence.unsent = 1), [Outcome::Broken, Outcome::Held]);
}

fn seen(at_ms: u64, alerts: Option<&[&str]>) -> Seen {
    let alerts = alerts.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    Seen { at_ms, alerts, ..Seen::default() }
}

#[test]
fn an_alert_must_fire_in_time_and_alone() {
    let expectations =
        "[[expect]]\nwhen = \"during\"\nalert = { fire = [\"Errors\"], within = \"2s\", others = \"none\" }";
    let alerts = |looks: &[Seen]| outcomes(expectations, looks, |_| {});
    let quiet = seen(3_200, Some(&[]));
    assert_eq!(alerts(&[quiet.clone(), seen(4_900, Some(&["Errors"]))]), [Outcome::Held]);
    assert_eq!(alerts(&[quiet.clone(), seen(5_100, Some(&["Errors"]))]), [Outcome::Broken], "too late");
    assert_eq!(alerts(&[quiet.clone(), seen(4_000, Some(&["Errors", "Other"]))]), [Outcome::Broken]);
    assert_eq!(alerts(&[quiet]), [Outcome::Broken], "it did not fire");
    assert_eq!(alerts(&[seen(4_000, None)]), [Outcome::Unjudged], "Prometheus did not answer");
    // It fires before the fault or after it.
    assert_eq!(alerts(&[seen(4_000, Some(&[])), seen(7_000, Some(&["Errors"]))]), [Outcome::Broken]);
    assert_eq!(outcomes(expectations, &[], |evidence| evidence.has_prometheus = false), [Outcome::Skipped]);
}

#[test]
fn a_part_without_requests_cannot_be_judged() {
    let expectations = "[[expect]]\nwhen = \"during\"\nerrors = [\"rate==0\"]";
    assert_eq!(outcomes(expectations, &[], |evidence| evidence.points = &[]), [Outcome::Unjudged]);
}

#[test]
fn a_process_must_be_in_the_state_at_some_moment_of_its_part() {
    let expectations = "[[expect]]\nwhen = \"during\"\nreadiness = { unready = [\"service-g\"] }";
    let at = |at_ms, is_ready| Seen {
        at_ms,
        ready: BTreeMap::from([("service-g".to_owned(), is_ready)]),
        ..Seen::default()
    };
    let judged = |looks: &[Seen]| outcomes(expectations, looks, |_| {});
    assert_eq!(judged(&[at(1_000, false), at(4_000, true)]), [Outcome::Broken]);
    assert_eq!(judged(&[at(1_000, true), at(4_000, false)]), [Outcome::Held]);
}

#[test]
fn telemetry_that_cannot_be_read_is_unjudged_and_counters_without_pages_are_skipped() {
    let expectations =
        "[[expect]]\nwhen = \"end\"\ntelemetry = { lost = [\"rate==0\"], counters = \"agree\" }";
    let with = |telemetry: Option<Result<Telemetry, String>>| {
        let judged = judged(expectations, &[], |evidence| {
            evidence.telemetry = telemetry.map(|telemetry| &*Box::leak(Box::new(telemetry)));
        });
        let outcomes: Vec<_> = judged.iter().map(|(outcome, _)| *outcome).collect();
        (outcomes, judged.into_iter().map(|(_, measured)| measured).collect::<Vec<_>>())
    };
    let unread = with(Some(Err("cannot read http://x".to_owned())));
    assert_eq!(unread.0, [Outcome::Unjudged, Outcome::Unjudged]);
    assert_eq!(unread.1, ["cannot read http://x", "cannot read http://x"]);
    let empty = Telemetry {
        report: crate::audit::telemetry::TelemetryReport::default(),
        traces: BTreeMap::new(),
        no_counters: Some("no pages".to_owned()),
    };
    let empty = with(Some(Ok(empty)));
    assert_eq!(empty.0, [Outcome::Unjudged, Outcome::Skipped]);
    assert_eq!(empty.1, ["no answer has a recorded trace", "no pages"]);
    assert_eq!(with(None).0, [Outcome::Unjudged, Outcome::Unjudged]);
}
