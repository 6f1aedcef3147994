//! Expectations about traces and counters.

use super::{Judged, Outcome, precise, simple};
use crate::{
    audit::telemetry::FindingKind,
    scenario::{condition::Condition, telemetry::Telemetry},
};

/// Why there is no result.
fn unjudged(telemetry: Option<&Result<Telemetry, String>>) -> Judged {
    let why = match telemetry {
        Some(Err(why)) => why,
        _ => "the telemetry audit did not run",
    };
    simple(Outcome::Unjudged, why)
}

/// How many spans have a fault.
pub(super) fn spans(
    telemetry: Option<&Result<Telemetry, String>>,
    kind: FindingKind,
    condition: &Condition,
) -> Judged {
    let Some(Ok(Telemetry { report, traces, .. })) = telemetry else { return unjudged(telemetry) };
    if report.traces == 0 {
        return simple(Outcome::Unjudged, "no answer has a recorded trace");
    }
    let found = match kind {
        FindingKind::Lost => report.lost(),
        FindingKind::Doubled => report.doubled(),
        FindingKind::WrongParent => report.wrong_parents(),
    };
    // Lost spans did not arrive, and the others did.
    let all = report.arrived() + report.lost();
    let share = precise(found) / precise(all.max(1));
    let value = if condition.name == "count" { precise(found) } else { share };
    let measured = format!(
        "{found} of {all} spans {} ({:.2} %), in {} traces",
        kind.of_spans(),
        100.0 * share,
        report.traces
    );
    if condition.holds(value) {
        return simple(Outcome::Held, &measured);
    }
    let traces = traces.get(&kind).cloned().unwrap_or_default();
    Judged { outcome: Outcome::Broken, measured, first_bad_second: None, traces }
}

/// Whether the counters agree with the answers.
pub(super) fn counters(telemetry: Option<&Result<Telemetry, String>>) -> Judged {
    let Some(Ok(Telemetry { report, no_counters, .. })) = telemetry else { return unjudged(telemetry) };
    match (&report.counters, no_counters) {
        (None, Some(why)) => simple(Outcome::Skipped, why),
        (None, None) => simple(Outcome::Unjudged, "the counters were not read"),
        (Some(counters), _) => {
            let off = counters.off();
            if off.is_empty() {
                simple(Outcome::Held, &format!("{} counters agree", counters.counters.len()))
            } else {
                simple(Outcome::Broken, &off.join("; "))
            }
        }
    }
}
