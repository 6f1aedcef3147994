//! Calls, errors and durations of each edge of the mesh; Zipkin's dependency links have no durations.
//!
//! The duration of a call is its client's, that of a message its consumer's. The time in the queue is reported
//! separately.

mod percentile;

use std::collections::{BTreeMap, BTreeSet};

pub use percentile::Percentiles;
use percentile::Samples;
use serde::Serialize;

use crate::{
    Kind, Span, Text,
    outcome::Outcome,
    tree::{Place, Tree},
};

/// The maximum number of distinct codes of one edge; failures with further codes count only as errors.
pub const MAX_CODES: usize = 16;

/// The kind of an edge's traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeKind {
    /// Requests from one service to another.
    Rpc,
    /// Messages, through a queue.
    Messaging,
    /// A service's requests to its database.
    Database,
}

/// The measurements so far.
#[derive(Debug, Default)]
pub struct Edges {
    measured: BTreeMap<(Text, Text, EdgeKind), Measured>,
}

#[derive(Debug, Default)]
struct Measured {
    count: u64,
    errors: u64,
    propagated: u64,
    cancelled: u64,
    codes: BTreeMap<Text, u64>,
    durations: Samples,
    waits: Samples,
}

/// One edge.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// The service that calls or publishes.
    pub caller: Box<str>,
    /// The service that is called or consumes.
    pub callee: Box<str>,
    /// The kind of its traffic.
    pub kind: EdgeKind,
    /// The number of calls or messages.
    pub count: u64,
    /// The number of those that failed. A cancelled call is not one of them.
    pub errors: u64,
    /// The number of those errors that only pass on the failure of a call that the callee made.
    pub propagated: u64,
    /// The number of calls whose caller left before their end: neither errors nor successes.
    pub cancelled: u64,
    /// The number of errors by code, where spans report one: a gRPC code as a number, or an HTTP status.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub codes: BTreeMap<Box<str>, u64>,
    /// The durations in milliseconds; null where no span has one.
    #[serde(flatten)]
    pub duration: Percentiles,
    /// The time from the end of publishing to the start of consuming; for messages alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_wait: Option<Percentiles>,
}

/// The edges of the mesh in some traces of a period: the answer of `/api/mesh` where the backend keeps no counts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// Always true: only the newest traces were measured.
    pub sample: bool,
    /// The number of measured traces.
    pub traces: usize,
    /// Start of the period, in milliseconds since 1970.
    pub from: u64,
    /// End of the period, in milliseconds since 1970.
    pub to: u64,
    /// Ordered by their names.
    pub edges: Vec<Edge>,
}

impl Edges {
    /// Measures the calls of one trace.
    pub fn add<'a>(&mut self, spans: impl IntoIterator<Item = &'a Span> + Clone) {
        let tree = Tree::new(spans);
        let explained = failed_below(&tree);
        let unserved = unserved(&tree);
        for place in tree.places() {
            match place.span().kind {
                Some(Kind::Client) => self.add_client(place, &explained),
                Some(Kind::Server) => self.add_server(place, &explained, &unserved),
                Some(Kind::Producer) => self.add_producer(place),
                Some(Kind::Consumer) => self.add_consumer(place, &explained),
                None => {}
            }
        }
    }

    /// The number of edges.
    pub fn len(&self) -> usize {
        self.measured.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.measured.is_empty()
    }

    /// The edges, ordered by their names.
    pub fn list(self) -> Vec<Edge> {
        let edge = |((caller, callee, kind), measured): ((Text, Text, EdgeKind), Measured)| Edge {
            caller: (&*caller).into(),
            callee: (&*callee).into(),
            kind,
            count: measured.count,
            errors: measured.errors,
            propagated: measured.propagated,
            cancelled: measured.cancelled,
            codes: measured.codes.iter().map(|(code, count)| ((&**code).into(), *count)).collect(),
            duration: measured.durations.percentiles(),
            queue_wait: (kind == EdgeKind::Messaging).then(|| measured.waits.percentiles()),
        };
        self.measured.into_iter().map(edge).collect()
    }

    fn add_client(&mut self, place: Place<'_, '_>, explained: &BTreeSet<usize>) {
        let span = place.span();
        let server = place.child_places().find(|child| child.span().kind == Some(Kind::Server));
        let own = span.reading();
        let is_database = server.is_none() && own.is_database;
        let kind = if is_database { EdgeKind::Database } else { EdgeKind::Rpc };
        let callee = server.and_then(|server| server.span().service()).or(span.remote_service());
        // What the client saw takes precedence: it can have given up on a call that the server answered.
        let outcome = match (own.outcome, server.map(|server| server.span().reading().outcome)) {
            (Outcome::Ok, Some(failed @ Outcome::Failed(_))) => failed,
            (outcome, _) => outcome,
        };
        let is_propagated = server.is_some_and(|server| explained.contains(&server.index()));
        if let Some(measured) = self.edge(span.service(), callee, kind) {
            measured.add(span, outcome, is_propagated);
        }
    }

    /// Counts a server's span only where its client reported none.
    fn add_server(
        &mut self,
        place: Place<'_, '_>,
        explained: &BTreeSet<usize>,
        unserved: &BTreeSet<(&str, &str)>,
    ) {
        let span = place.span();
        if place.parent().is_some_and(|parent| parent.kind == Some(Kind::Client)) {
            return;
        }
        let above = place.remote_ancestor();
        if let (Some(caller), Some(service)) = (span.remote_service(), span.service())
            && above.is_none()
            && span.parent_id.is_some()
            && unserved.contains(&(&**caller, &**service))
        {
            // What is between them reports no spans, and its client counts the call.
            return;
        }
        let above = above.and_then(Span::service);
        let caller = above.or(span.remote_service()).filter(|caller| Some(*caller) != span.service());
        if let Some(measured) = self.edge(caller, span.service(), EdgeKind::Rpc) {
            measured.add(span, span.reading().outcome, explained.contains(&place.index()));
        }
    }

    /// Counts a message that could not be published; others count where they are consumed.
    fn add_producer(&mut self, place: Place<'_, '_>) {
        let span = place.span();
        let is_consumed = place.children().any(|child| child.kind == Some(Kind::Consumer));
        let outcome = span.reading().outcome;
        if matches!(outcome, Outcome::Failed(_))
            && !is_consumed
            && let Some(measured) = self.edge(span.service(), span.remote_service(), EdgeKind::Messaging)
        {
            measured.add(span, outcome, false);
        }
    }

    fn add_consumer(&mut self, place: Place<'_, '_>, explained: &BTreeSet<usize>) {
        let span = place.span();
        let producer = place.remote_ancestor().filter(|above| above.kind == Some(Kind::Producer));
        let from = producer.and_then(Span::service).or(span.remote_service());
        let Some(measured) = self.edge(from, span.service(), EdgeKind::Messaging) else { return };
        measured.add(span, span.reading().outcome, explained.contains(&place.index()));
        if let Some(producer) = producer.filter(|producer| producer.timestamp > 0 && span.timestamp > 0) {
            // Zero where the consumer's clock is behind the publisher's.
            let published = producer.timestamp.saturating_add(producer.duration);
            measured.waits.add(span.timestamp.saturating_sub(published));
        }
    }

    fn edge(
        &mut self,
        caller: Option<&Text>,
        callee: Option<&Text>,
        kind: EdgeKind,
    ) -> Option<&mut Measured> {
        Some(self.measured.entry((caller?.clone(), callee?.clone(), kind)).or_default())
    }
}

impl Measured {
    /// Counts a call by the span that measures it.
    fn add(&mut self, span: &Span, outcome: Outcome<'_>, is_propagated: bool) {
        self.count += 1;
        match outcome {
            Outcome::Ok => {}
            Outcome::Cancelled => self.cancelled += 1,
            Outcome::Failed(code) => {
                self.errors += 1;
                self.propagated += u64::from(is_propagated);
                if let Some(code) = code
                    && (self.codes.len() < MAX_CODES || self.codes.contains_key(code))
                {
                    *self.codes.entry(code.into()).or_default() += 1;
                }
            }
        }
        if span.duration > 0 {
            self.durations.add(span.duration);
        }
    }
}

/// The servers and consumers below which a call or a publishing failed: their own failure may only pass that on.
fn failed_below(tree: &Tree<'_>) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for place in tree.places() {
        let starts = matches!(place.span().kind, Some(Kind::Client | Kind::Producer));
        if starts && matches!(place.span().reading().outcome, Outcome::Failed(_)) {
            found.extend(place.enclosing_receiver());
        }
    }
    found
}

/// The services and upstreams of clients without a server.
fn unserved<'t>(tree: &'t Tree<'_>) -> BTreeSet<(&'t str, &'t str)> {
    let clients = tree.places().filter(|place| {
        let has_server = || place.child_places().any(|child| child.span().kind == Some(Kind::Server));
        place.span().kind == Some(Kind::Client) && !has_server()
    });
    clients
        .filter_map(|place| Some((&**place.span().service()?, &**place.span().remote_service()?)))
        .collect()
}

#[cfg(test)]
mod tests;
