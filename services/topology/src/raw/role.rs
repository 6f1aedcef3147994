//! The fields of a service that `[defaults]` may have, too.

use super::{RawNumber, RawText, fields::Fields};
use crate::reporter::{Position, Reporter};

/// Their names, in the order of the documentation.
pub(crate) const ROLE_FIELDS: [&str; 10] = [
    "greeting",
    "policy",
    "replicas",
    "work",
    "cpu",
    "memory",
    "payload",
    "limit",
    "when_left",
    "ready_after",
];

/// The fields of a limit.
pub(crate) const LIMIT_FIELDS: [&str; 2] = ["concurrent", "queue"];

#[derive(Debug, Default)]
pub(crate) struct RawRole<'t> {
    pub(crate) greeting: Option<RawText<'t>>,
    pub(crate) policy: Option<RawText<'t>>,
    pub(crate) replicas: Option<RawNumber>,
    pub(crate) work: Option<RawText<'t>>,
    pub(crate) cpu: Option<RawText<'t>>,
    pub(crate) memory: Option<RawText<'t>>,
    pub(crate) payload: Option<RawText<'t>>,
    pub(crate) limit: Option<RawLimit>,
    pub(crate) when_left: Option<RawText<'t>>,
    pub(crate) ready_after: Option<RawText<'t>>,
}

#[derive(Debug)]
pub(crate) struct RawLimit {
    pub(crate) concurrent: Option<RawNumber>,
    pub(crate) queue: Option<RawNumber>,
}

impl<'t> RawRole<'t> {
    pub(super) fn read(fields: &Fields<'t>, reporter: &mut Reporter) -> Self {
        Self {
            greeting: fields.text("greeting", reporter),
            policy: fields.text("policy", reporter),
            replicas: fields.number("replicas", reporter),
            work: fields.text("work", reporter),
            cpu: fields.text("cpu", reporter),
            memory: fields.text("memory", reporter),
            payload: fields.text("payload", reporter),
            limit: fields.table("limit", reporter).map(|fields| limit(&fields, reporter)),
            when_left: fields.text("when_left", reporter),
            ready_after: fields.text("ready_after", reporter),
        }
    }
}

fn limit(fields: &Fields<'_>, reporter: &mut Reporter) -> RawLimit {
    fields.refuse_others(&LIMIT_FIELDS, reporter);
    if fields.field("concurrent").is_none() {
        let Position { offset, .. } = fields.position;
        reporter.report(&fields.position_of("concurrent", offset), "missing");
    }
    RawLimit { concurrent: fields.number("concurrent", reporter), queue: fields.number("queue", reporter) }
}
