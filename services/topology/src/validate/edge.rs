//! The `[[edge]]` tables.

use std::{collections::BTreeMap, time::Duration};

use octet_fault::{Address, Code, GATEWAY, Share};

use super::{number, parsed, role, value};
use crate::{
    addresses::Mesh,
    edge::{EdgeRule, Retry},
    limits::{MAX_ATTEMPTS, MAX_PAYLOAD, MAX_TIMES},
    raw::{RawEdge, RawRetry},
    reporter::{Position, Reporter},
};

/// The shortest deadline and pause.
const LEAST: Duration = Duration::from_millis(1);

/// The valid rules; for the others, findings.
pub(super) fn edges(raw: &[RawEdge<'_>], mesh: &Mesh<'_>, reporter: &mut Reporter) -> Vec<EdgeRule> {
    let mut seen = BTreeMap::new();
    for at in raw.iter().filter_map(|raw| raw.at.as_ref()) {
        if let Some(first) = seen.get(at.value) {
            reporter.report(&at.position, format!("is already the address of {first}"));
        } else {
            seen.insert(at.value, at.position.path.trim_end_matches(".at"));
        }
    }
    raw.iter().filter_map(|raw| edge(raw, mesh, reporter)).collect()
}

fn edge(raw: &RawEdge<'_>, mesh: &Mesh<'_>, reporter: &mut Reporter) -> Option<EdgeRule> {
    let allowed = || "CALLER>CALLEE, with * for any service".to_owned();
    let address = parsed(
        raw.at.as_ref(),
        allowed,
        |text| match Address::parse(text)? {
            Address::Call { caller, callee } => Some((caller, callee)),
            _ => None,
        },
        reporter,
    );
    if let (Some((caller, callee)), Some(at)) = (&address, &raw.at) {
        let call = Address::Call { caller: caller.clone(), callee: callee.clone() };
        if let Err(message) = mesh.check(&call) {
            reporter.report(&at.position, message);
        }
        if caller.name() == Some(GATEWAY) {
            refuse_of_gateway(raw, reporter);
        }
    }
    let share = parsed(raw.share.as_ref(), || Share::ALLOWED.to_owned(), Share::parse, reporter);
    let times = raw.times.as_ref().and_then(|raw| number(raw, 1..=MAX_TIMES, reporter));
    let payload = role::spread(raw.payload.as_ref(), MAX_PAYLOAD, reporter);
    let deadline = role::duration(raw.deadline.as_ref(), LEAST, reporter);
    let balance = value(raw.balance.as_ref(), reporter);
    let retry = raw.retry.as_ref().and_then(|raw| retry(raw, reporter));
    let (caller, callee) = address?;
    let times = times.and_then(|times| u32::try_from(times).ok());
    Some(EdgeRule { caller, callee, share, times, payload, deadline, balance, retry })
}

/// The gateway makes one call for each request, which is the client's.
fn refuse_of_gateway(raw: &RawEdge<'_>, reporter: &mut Reporter) {
    let texts = [raw.share.as_ref(), raw.payload.as_ref()].into_iter().flatten().map(|text| &text.position);
    let times = raw.times.as_ref().map(|times| &times.position);
    let positions: Vec<Position> = texts.chain(times).cloned().collect();
    for position in positions {
        reporter
            .report(&position, "the gateway makes one call for each request, and sends what its client sent");
    }
}

fn retry(raw: &RawRetry<'_>, reporter: &mut Reporter) -> Option<Retry> {
    let attempts = raw.attempts.as_ref().and_then(|raw| number(raw, 1..=MAX_ATTEMPTS, reporter));
    let names = || {
        let names: Vec<_> = Code::names().collect();
        format!("one of {}", names.join(", "))
    };
    let on = match &raw.on {
        None => vec![Code::UNAVAILABLE],
        Some((position, codes)) => {
            if codes.is_empty() {
                reporter.report(position, "must have at least one code");
            }
            codes.iter().filter_map(|code| parsed(Some(code), names, Code::parse, reporter)).collect()
        }
    };
    let budget = parsed(raw.budget.as_ref(), || Share::ALLOWED.to_owned(), Share::parse, reporter);
    let backoff = role::duration(raw.backoff.as_ref(), LEAST, reporter).unwrap_or(Retry::DEFAULT_BACKOFF);
    Some(Retry { attempts: u32::try_from(attempts?).ok()?, on, budget, backoff })
}
