//! A claim that is not met, or an invalid answer.

use std::fmt;

use serde_json::{Value, json};

use super::{
    answers::Answer,
    claims::Claim,
    duplicates::Seen,
    graph::{Graph, Place},
};

/// A gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Its kind.
    pub kind: GapKind,
    /// The missing id; for an invalid answer, the id of its first greeting.
    pub id: String,
    /// The service that should have stored it; for an invalid answer, the service that returned it.
    pub service: String,
    /// The answer's line in the file.
    pub line: u64,
    /// The reason, for people.
    pub why: String,
}

/// The kinds of gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapKind {
    /// Not found.
    Missing,
    /// Among the dead letters of its queue.
    DeadLettered,
    /// Still on its queue after the wait.
    Queued,
    /// Stored, but with another field than in the answer.
    Altered,
    /// The id is in an earlier answer too.
    Duplicate,
    /// A platform of this topology cannot have returned this answer.
    InvalidAnswer,
}

impl GapKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::DeadLettered => "dead-lettered",
            Self::Queued => "queued",
            Self::Altered => "altered",
            Self::Duplicate => "duplicate",
            Self::InvalidAnswer => "invalid answer",
        }
    }
}

impl Gap {
    pub(super) fn of(kind: GapKind, claim: &Claim, graph: &Graph) -> Self {
        let of = graph.name(claim.of);
        let why = match (claim.place, kind) {
            (Place::Queue(_), GapKind::DeadLettered) => {
                format!("the greeting of {of} was dead-lettered by {}", graph.location(claim.place))
            }
            (Place::Queue(_), GapKind::Queued) => {
                format!("the greeting of {of} is still on {}", graph.location(claim.place))
            }
            (Place::Queue(_), _) => {
                format!("the greeting of {of} is neither stored nor on {}", graph.location(claim.place))
            }
            (Place::Store(_), _) => {
                format!("the greeting of {of} is not in {}", graph.location(claim.place))
            }
        };
        Self { kind, id: claim.id.to_string(), service: graph.owner(claim.place), line: claim.line, why }
    }

    /// A document whose `field` differs from that of the answer.
    pub(super) fn altered(claim: &Claim, field: &str, graph: &Graph) -> Self {
        let why =
            format!("the {field} of the stored greeting of {} differs from the answer", graph.name(claim.of));
        Self { why, ..Self::of(GapKind::Altered, claim, graph) }
    }

    /// An id that the answer in `first_line` has too.
    pub(super) fn duplicate(seen: &Seen, first_line: u64, graph: &Graph) -> Self {
        let service = usize::try_from(seen.service).map_or("?", |service| graph.name(service)).to_owned();
        Self {
            kind: GapKind::Duplicate,
            id: seen.id.to_string(),
            why: format!("the id is in the answer of line {first_line} too"),
            service,
            line: seen.line,
        }
    }

    pub(super) fn invalid(answer: &Answer, why: &str) -> Self {
        let first = answer.greetings.first();
        let text =
            |text: Option<&String>| text.filter(|text| is_plain(text)).map_or("-", String::as_str).to_owned();
        Self {
            kind: GapKind::InvalidAnswer,
            id: text(first.map(|first| &first.id)),
            service: text(first.map(|first| &first.service)),
            line: answer.line,
            why: why.to_owned(),
        }
    }

    /// The gap as JSON.
    pub fn to_json(&self) -> Value {
        let Self { kind, id, service, line, why } = self;
        json!({ "id": id, "service": service, "kind": kind.as_str(), "line": line, "why": why })
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, id, service, line, why } = self;
        write!(formatter, "{id}  {service}  {}: {why} (line {line})", kind.as_str())
    }
}

/// Whether text of the file can be printed as a column.
fn is_plain(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
