//! `[[edge]]`: how one service calls another.

use toml::de::DeValue;

use super::{
    RawNumber, RawText,
    fields::{Fields, names},
};
use crate::reporter::{Position, Reporter};

/// The fields of an edge.
pub(crate) const EDGE_FIELDS: [&str; 7] = ["at", "share", "times", "payload", "deadline", "balance", "retry"];

/// The fields of its retries.
pub(crate) const RETRY_FIELDS: [&str; 4] = ["attempts", "on", "budget", "backoff"];

#[derive(Debug)]
pub(crate) struct RawEdge<'t> {
    pub(crate) at: Option<RawText<'t>>,
    pub(crate) share: Option<RawText<'t>>,
    pub(crate) times: Option<RawNumber>,
    pub(crate) payload: Option<RawText<'t>>,
    pub(crate) deadline: Option<RawText<'t>>,
    pub(crate) balance: Option<RawText<'t>>,
    pub(crate) retry: Option<RawRetry<'t>>,
}

#[derive(Debug)]
pub(crate) struct RawRetry<'t> {
    pub(crate) attempts: Option<RawNumber>,
    pub(crate) on: Option<(Position, Vec<RawText<'t>>)>,
    pub(crate) budget: Option<RawText<'t>>,
    pub(crate) backoff: Option<RawText<'t>>,
}

pub(super) fn edge<'t>(
    position: &Position,
    value: &'t DeValue<'t>,
    reporter: &mut Reporter,
) -> Option<RawEdge<'t>> {
    let fields = Fields::of(position, value, reporter)?;
    fields.refuse_others(&EDGE_FIELDS, reporter);
    Some(RawEdge {
        at: fields.required_text("at", reporter),
        share: fields.text("share", reporter),
        times: fields.number("times", reporter),
        payload: fields.text("payload", reporter),
        deadline: fields.text("deadline", reporter),
        balance: fields.text("balance", reporter),
        retry: fields.table("retry", reporter).map(|fields| retry(&fields, reporter)),
    })
}

fn retry<'t>(fields: &Fields<'t>, reporter: &mut Reporter) -> RawRetry<'t> {
    fields.refuse_others(&RETRY_FIELDS, reporter);
    if fields.field("attempts").is_none() {
        let Position { offset, .. } = fields.position;
        reporter.report(&fields.position_of("attempts", offset), "missing");
    }
    let on = fields.array("on", "an array of strings", reporter);
    RawRetry {
        attempts: fields.number("attempts", reporter),
        on: on.map(|(position, values)| {
            let codes = names(&position, values, reporter);
            (position, codes)
        }),
        budget: fields.text("budget", reporter),
        backoff: fields.text("backoff", reporter),
    }
}
