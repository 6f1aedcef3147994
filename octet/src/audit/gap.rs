//! One thing that is not as an answer claims.

use std::fmt;

use serde_json::{Value, json};

use super::{
    answers::Answer,
    claims::{Claim, Place},
    graph::Graph,
};

/// A gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Its kind.
    pub kind: GapKind,
    /// The id that is missing; of a wrong answer, that of its first greeting.
    pub id: String,
    /// The service that should have it; of a wrong answer, the one that gave it.
    pub service: String,
    /// The answer's line in the file.
    pub line: u64,
    /// What is the matter, for a person to read.
    pub why: String,
}

/// The kinds of gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapKind {
    /// Nowhere.
    Missing,
    /// Given up by its queue.
    DeadLettered,
    /// Still on its queue after the wait.
    OnItsWay,
    /// An answer that no platform of this topology can have given.
    WrongAnswer,
}

impl GapKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::DeadLettered => "dead-lettered",
            Self::OnItsWay => "on its way",
            Self::WrongAnswer => "wrong answer",
        }
    }
}

impl Gap {
    pub(super) fn of(kind: GapKind, claim: &Claim, graph: &Graph) -> Self {
        let of = graph.name(claim.of);
        let why = match (claim.place, kind) {
            (Place::Queue(_), GapKind::DeadLettered) => {
                format!("the greeting of {of} was given up by {}", graph.whereabouts(claim.place))
            }
            (Place::Queue(_), GapKind::OnItsWay) => {
                format!("the greeting of {of} is still on {}", graph.whereabouts(claim.place))
            }
            (Place::Queue(_), _) => {
                format!("the greeting of {of} is neither stored nor on {}", graph.whereabouts(claim.place))
            }
            (Place::Store(_), _) => {
                format!("the greeting of {of} is not in {}", graph.whereabouts(claim.place))
            }
        };
        Self { kind, id: claim.id.to_string(), service: graph.owner(claim.place), line: claim.line, why }
    }

    pub(super) fn wrong(answer: &Answer, why: &str) -> Self {
        let first = answer.greetings.first();
        let text =
            |text: Option<&String>| text.filter(|text| is_plain(text)).map_or("-", String::as_str).to_owned();
        Self {
            kind: GapKind::WrongAnswer,
            id: text(first.map(|first| &first.id)),
            service: text(first.map(|first| &first.service)),
            line: answer.line,
            why: why.to_owned(),
        }
    }

    /// For programs.
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

/// Whether a text of the file can stand in a column of its own.
fn is_plain(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
