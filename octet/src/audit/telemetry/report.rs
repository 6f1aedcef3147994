//! The results of a telemetry audit.

use std::{collections::BTreeMap, fmt};

use octet_zipkin::{Kind, SpanId};
use serde_json::{Value, json};

use super::{
    super::graph::Graph,
    Trace,
    counters::Compared,
    expected::Expected,
    judge::{Fault, Judged},
    label::{End, Label, name},
};

/// One span that is not as the answer claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// The answer's line in the file.
    pub line: u64,
    /// The trace.
    pub trace: Trace,
    /// The span, where its id is known: that of a lost one only where another span names it as its parent.
    pub span: Option<SpanId>,
    /// Who calls, publishes, or queues.
    pub from: String,
    /// Who is called, stores, or consumes.
    pub to: String,
    /// The side of the span.
    pub side: Kind,
    /// The parent that a span with a wrong parent names.
    pub parent: Option<SpanId>,
}

/// What can be wrong with a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// It did not arrive.
    Lost,
    /// It arrived again, once or several times.
    Doubled,
    /// Its parent is another span than the one that caused it.
    WrongParent,
}

impl FindingKind {
    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::WrongParent => "wrong parent",
        }
    }

    /// What spans are, as in "spans with a wrong parent".
    pub(crate) fn of_spans(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::WrongParent => "with a wrong parent",
        }
    }
}

impl Finding {
    pub(super) fn new(graph: &Graph, (line, trace): (u64, Trace), label: &Label, fault: &Fault) -> Self {
        let (kind, span, parent) = match *fault {
            Fault::Lost(id) => (FindingKind::Lost, id, None),
            Fault::Doubled(id, _) => (FindingKind::Doubled, Some(id), None),
            Fault::WrongParent(id, parent) => (FindingKind::WrongParent, Some(id), parent),
        };
        let (from, to) = (name(graph, label.from), name(graph, label.to));
        Self { kind, line, trace, span, from, to, side: label.side, parent }
    }

    /// The finding as JSON.
    pub fn to_json(&self) -> Value {
        let Self { kind, line, trace, span, from, to, side, parent } = self;
        json!({
            "kind": kind.as_str(), "line": line, "traceId": trace, "spanId": span, "from": from, "to": to,
            "side": side.name(), "parentId": parent,
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, line, trace, span, from, to, side, parent } = self;
        let span = span.map_or_else(|| "-".to_owned(), |span| span.to_string());
        write!(formatter, "{trace}  {span:16}  {}: {} span of {from} > {to}", kind.as_str(), side.name())?;
        match (kind, parent) {
            (FindingKind::WrongParent, Some(parent)) => write!(formatter, ", below {parent}")?,
            (FindingKind::WrongParent, None) => write!(formatter, ", without a parent")?,
            _ => {}
        }
        write!(formatter, " (line {line})")
    }
}

/// The spans of one edge, on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeSpans {
    /// Who calls, publishes, or queues.
    pub from: String,
    /// Who is called, stores, or consumes.
    pub to: String,
    /// The side.
    pub side: Kind,
    /// The spans that the answers claim.
    pub expected: u64,
    /// The spans that arrived, each counted once.
    pub arrived: u64,
    /// The spans that did not arrive.
    pub lost: u64,
    /// The spans that arrived again; one that arrived three times counts twice.
    pub doubled: u64,
    /// The spans with a wrong parent.
    pub wrong_parent: u64,
}

/// The results of a telemetry audit.
#[derive(Debug, Default)]
pub struct TelemetryReport {
    /// Answers read.
    pub answers: u64,
    /// Traces judged.
    pub traces: u64,
    /// Answers whose trace the file does not name.
    pub unnamed: u64,
    /// Answers whose trace was not sampled.
    pub unrecorded: u64,
    /// Answers whose trace has further requests, so that it is not judged.
    pub shared: u64,
    /// Answers that a platform of this topology cannot have returned.
    pub invalid: u64,
    /// Calls and messages whose caller or consumer the answer does not show, so that only what succeeded is judged.
    pub ambiguous: u64,
    /// Retries: nobody knows whether a failed attempt was served, so that a lost span of it is found only by its children.
    pub retried: u64,
    /// Spans that are not judged: those of proxies, of services outside the topology, and local ones.
    pub others: u64,
    /// What the counters show, if they were given.
    pub counters: Option<Compared>,
    /// The spans that all answers claim, those whose trace is not judged included.
    pub(super) proven: BTreeMap<Label, u64>,
    edges: BTreeMap<Label, EdgeSpans>,
}

impl TelemetryReport {
    pub(super) fn add(&mut self, graph: &Graph, expected: &Expected, judged: &Judged) {
        self.traces += 1;
        self.ambiguous += expected.ambiguous;
        self.retried += judged.retried;
        self.others += judged.others;
        for (label, number) in &expected.spans {
            self.edge(graph, *label).expected += number;
        }
        for (label, number) in &judged.spans {
            self.edge(graph, *label).arrived += number;
        }
        for (label, fault) in &judged.faults {
            let edge = self.edge(graph, *label);
            match fault {
                Fault::Lost(_) => edge.lost += 1,
                Fault::Doubled(_, times) => edge.doubled += times,
                Fault::WrongParent(..) => edge.wrong_parent += 1,
            }
        }
    }

    /// The labels are those of the graph, so that there are at most two for each of its edges.
    fn edge(&mut self, graph: &Graph, label: Label) -> &mut EdgeSpans {
        self.edges.entry(label).or_insert_with(|| EdgeSpans {
            from: name(graph, label.from),
            to: name(graph, label.to),
            side: label.side,
            expected: 0,
            arrived: 0,
            lost: 0,
            doubled: 0,
            wrong_parent: 0,
        })
    }

    /// Each edge and side, from the gateway on.
    pub fn edges(&self) -> impl Iterator<Item = &EdgeSpans> {
        let outside_first = self.edges.iter().filter(|(label, _)| label.from != End::Unknown);
        outside_first
            .chain(self.edges.iter().filter(|(label, _)| label.from == End::Unknown))
            .map(|(_, edge)| edge)
    }

    /// Spans that the answers claim, in traces that were judged.
    pub fn expected(&self) -> u64 {
        self.edges.values().map(|edge| edge.expected).sum()
    }

    /// Spans that did not arrive.
    pub fn lost(&self) -> u64 {
        self.edges.values().map(|edge| edge.lost).sum()
    }

    /// Spans that arrived again.
    pub fn doubled(&self) -> u64 {
        self.edges.values().map(|edge| edge.doubled).sum()
    }

    /// Spans with a wrong parent.
    pub fn wrong_parents(&self) -> u64 {
        self.edges.values().map(|edge| edge.wrong_parent).sum()
    }

    /// Spans that arrived, each counted once.
    pub fn arrived(&self) -> u64 {
        self.edges.values().map(|edge| edge.arrived).sum()
    }

    /// Whether traces were judged, and neither they nor the counters have a finding.
    pub fn is_clean(&self) -> bool {
        self.traces > 0
            && self.invalid == 0
            && self.lost() + self.doubled() + self.wrong_parents() == 0
            && self.counters.as_ref().is_none_or(Compared::is_clean)
    }

    /// The report as JSON.
    pub fn to_json(&self) -> Value {
        let edges = self.edges().map(|edge| {
            json!({
                "from": edge.from, "to": edge.to, "side": edge.side.name(), "expected": edge.expected,
                "arrived": edge.arrived, "lost": edge.lost, "doubled": edge.doubled,
                "wrongParent": edge.wrong_parent,
            })
        });
        json!({
            "answers": self.answers,
            "traces": self.traces,
            "expected": self.expected(),
            "lost": self.lost(),
            "doubled": self.doubled(),
            "wrongParent": self.wrong_parents(),
            "edges": edges.collect::<Vec<_>>(),
            "counters": self.counters.as_ref().map(Compared::to_json),
            "notJudged": {
                "unnamed": self.unnamed, "unrecorded": self.unrecorded, "shared": self.shared,
                "invalid": self.invalid, "ambiguous": self.ambiguous, "retries": self.retried,
                "otherSpans": self.others,
            },
            "verdict": if self.is_clean() { "clean" } else if self.traces == 0 { "nothing" } else { "findings" },
        })
    }
}
