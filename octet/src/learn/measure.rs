//! What each service did, from the spans of traces.

use std::collections::BTreeMap;

use octet_fault::Code;
use octet_zipkin::{
    Kind, Span, Text,
    outcome::Outcome,
    tree::{Place, Tree},
};

/// The gateway of Octet: it calls the entry, and is no service of the topology.
const GATEWAY: &str = "gateway";

/// Everything that was measured.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) services: BTreeMap<Text, Service>,
    /// The services that are called from outside, and how often.
    pub(super) entries: BTreeMap<Text, u64>,
    /// The same, of calls whose caller reported no span: it is outside, or its span was lost.
    pub(super) headless: BTreeMap<Text, u64>,
}

/// One service.
#[derive(Debug, Default)]
pub(super) struct Service {
    /// The calls that it answered.
    pub(super) answered: u64,
    /// Those that succeeded.
    pub(super) succeeded: u64,
    /// Those that succeeded although a call of its own failed.
    pub(super) partial: u64,
    /// The time of its own in each call that succeeded, in microseconds.
    pub(super) work: Vec<u64>,
    /// The failures that began in it.
    pub(super) failed: BTreeMap<Code, u64>,
    pub(super) calls: BTreeMap<Text, Calls>,
    /// How often a call to the first ended before one to the second began, and how often both were made.
    pub(super) pairs: BTreeMap<(Text, Text), (u64, u64)>,
    /// Its database and collection.
    pub(super) store: Option<(Option<Text>, Option<Text>)>,
    pub(super) publishes: Option<Text>,
    pub(super) consumes: Option<Text>,
}

/// The calls of one service to another.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// All of them.
    pub(super) made: u64,
    /// Those in answers that succeeded.
    pub(super) in_successes: u64,
    /// The successful answers with at least one.
    pub(super) successes_with: u64,
    /// Failures of calls that nobody answered.
    pub(super) unanswered: BTreeMap<Code, u64>,
}

/// One call or message that a receiver sent.
struct Sent {
    callee: Option<Text>,
    start: u64,
    end: u64,
    has_failed: bool,
}

impl Measured {
    pub(super) fn of(traces: &[Vec<Span>]) -> Self {
        let mut measured = Self::default();
        for spans in traces {
            measured.add(spans);
        }
        measured
    }

    fn add(&mut self, spans: &[Span]) {
        let tree = Tree::new(spans);
        let places: Vec<_> = tree.places().collect();
        // By their indexes: the nearest span above that is part of a call or a message.
        let above: Vec<Option<usize>> = places.iter().map(|place| above(*place, places.len())).collect();
        let mut below: BTreeMap<usize, Vec<Place<'_, '_>>> = BTreeMap::new();
        for (place, above) in places.iter().zip(&above) {
            if let Some(above) = above {
                below.entry(*above).or_default().push(*place);
            }
        }
        for (place, above) in places.iter().zip(&above) {
            let span = place.span();
            let Some(service) = span.service().filter(|service| &***service != GATEWAY) else { continue };
            match span.kind {
                Some(Kind::Server) => {
                    let caller = above.and_then(|above| places.get(above)).map(|caller| caller.span());
                    if caller.and_then(Span::service).is_none_or(|name| &**name == GATEWAY) {
                        let is_known = caller.is_some() || span.parent_id.is_none();
                        let entries = if is_known { &mut self.entries } else { &mut self.headless };
                        *entries.entry(service.clone()).or_default() += 1;
                    }
                    self.add_received(service, *place, &below);
                }
                Some(Kind::Consumer) => {
                    let queue = queue(span);
                    let measured = self.services.entry(service.clone()).or_default();
                    measured.consumes = measured.consumes.take().or(queue);
                    self.add_senders(service, *place, &below);
                }
                _ => {}
            }
        }
    }

    /// A call that the service answered.
    fn add_received(
        &mut self,
        service: &Text,
        place: Place<'_, '_>,
        below: &BTreeMap<usize, Vec<Place<'_, '_>>>,
    ) {
        let span = place.span();
        let sent = self.add_senders(service, place, below);
        let measured = self.services.entry(service.clone()).or_default();
        match outcome(span) {
            Outcome::Cancelled => return,
            Outcome::Failed(code) => {
                measured.answered += 1;
                // Otherwise it passes on the failure of a call of its own.
                if !sent.iter().any(|sent| sent.has_failed) {
                    *measured.failed.entry(code_of(code)).or_default() += 1;
                }
                return;
            }
            Outcome::Ok => {}
        }
        measured.answered += 1;
        measured.succeeded += 1;
        measured.partial += u64::from(sent.iter().any(|sent| sent.has_failed));
        if span.duration > 0 {
            let inside = span.timestamp..span.timestamp.saturating_add(span.duration);
            measured.work.push(span.duration.saturating_sub(covered(&sent, &inside)));
        }
        // Of each callee: the calls, the first start and the last end.
        let mut callees: BTreeMap<&Text, (u64, u64, u64)> = BTreeMap::new();
        for sent in &sent {
            let Some(callee) = &sent.callee else { continue };
            let (count, start, end) = callees.entry(callee).or_insert((0, sent.start, sent.end));
            (*count, *start, *end) = (*count + 1, sent.start.min(*start), sent.end.max(*end));
        }
        for (callee, (count, ..)) in &callees {
            let calls = measured.calls.entry((*callee).clone()).or_default();
            calls.in_successes += count;
            calls.successes_with += 1;
        }
        for (first, (_, _, ended)) in &callees {
            for (second, (_, began, _)) in callees.iter().filter(|(second, _)| *second != first) {
                let pair = measured.pairs.entry(((*first).clone(), (*second).clone())).or_default();
                pair.0 += u64::from(ended <= began);
                pair.1 += 1;
            }
        }
    }

    /// What a receiver sent: calls, messages, and requests to its database.
    fn add_senders(
        &mut self,
        service: &Text,
        place: Place<'_, '_>,
        below: &BTreeMap<usize, Vec<Place<'_, '_>>>,
    ) -> Vec<Sent> {
        let mut all = Vec::new();
        for child in below.get(&place.index()).into_iter().flatten() {
            let span = child.span();
            let is_own = span.service() == Some(service);
            if !is_own || !matches!(span.kind, Some(Kind::Client | Kind::Producer)) {
                continue;
            }
            let measured = self.services.entry(service.clone()).or_default();
            let is_database = span.reading().is_database;
            let mut callee = None;
            let mut has_failed = matches!(outcome(span), Outcome::Failed(_));
            if span.kind == Some(Kind::Producer) {
                measured.publishes = measured.publishes.take().or_else(|| queue(span));
            } else if is_database {
                let tag = |names: [&str; 2]| names.into_iter().find_map(|name| span.tag(name).cloned());
                let database = tag(["db.namespace", "db.name"]);
                let collection = tag(["db.collection.name", "db.mongodb.collection"]);
                measured.store.get_or_insert((database, collection));
                has_failed = false;
            } else {
                // Several where it was tried again.
                let servers = below.get(&child.index()).into_iter().flatten().map(|server| server.span());
                let servers: Vec<_> = servers.filter(|server| server.kind == Some(Kind::Server)).collect();
                let server = servers.first().copied();
                callee = server.and_then(Span::service).or(span.remote_service()).cloned();
                // A failure that only the answer's side shows.
                let is_failure = |server: &&Span| matches!(outcome(server), Outcome::Failed(_));
                has_failed |= server.is_some() && servers.iter().all(is_failure);
                if let Some(callee) = &callee {
                    let calls = measured.calls.entry(callee.clone()).or_default();
                    calls.made += 1;
                    if let (None, Outcome::Failed(code)) = (server, outcome(span)) {
                        *calls.unanswered.entry(code_of(code)).or_default() += 1;
                    }
                }
            }
            let end = span.timestamp.saturating_add(span.duration);
            all.push(Sent { callee, start: span.timestamp, end, has_failed });
        }
        all
    }
}

/// The nearest span above that is part of a call or a message.
fn above(place: Place<'_, '_>, most: usize) -> Option<usize> {
    let mut current = place;
    for _ in 0..most {
        current = current.parent_place()?;
        if current.span().kind.is_some() {
            return Some(current.index());
        }
    }
    None
}

fn queue(span: &Span) -> Option<Text> {
    span.tag("messaging.destination.name").or_else(|| span.tag("messaging.destination")).cloned()
}

/// How a call ended. A server sets no error for what its caller did wrong, so that its code counts, too.
fn outcome(span: &Span) -> Outcome<'_> {
    let outcome = span.reading().outcome;
    if outcome != Outcome::Ok {
        return outcome;
    }
    let tag = |name| span.tag(name).map(|value| &**value);
    let grpc = tag("rpc.response.status_code").or_else(|| tag("rpc.grpc.status_code"));
    let http = tag("http.response.status_code").or_else(|| tag("http.status_code"));
    let is_http_failure = |code: &&str| code.parse::<u16>().is_ok_and(|code| code >= 400);
    match grpc.filter(|code| !matches!(*code, "OK" | "0")).or_else(|| http.filter(is_http_failure)) {
        Some(code) => Outcome::Failed(Some(code)),
        None => Outcome::Ok,
    }
}

/// A gRPC code by its number or name; another system's code as the nearest of gRPC.
fn code_of(code: Option<&str>) -> Code {
    if let Some(named) = code.and_then(Code::parse) {
        return named;
    }
    let name = match code.and_then(|code| code.parse::<u16>().ok()) {
        Some(number @ 1..=16) => octet_fault::code_name(i32::from(number)),
        Some(400) => "INVALID_ARGUMENT",
        Some(401) => "UNAUTHENTICATED",
        Some(403) => "PERMISSION_DENIED",
        Some(404) => "NOT_FOUND",
        Some(409) => "ABORTED",
        Some(429) => "RESOURCE_EXHAUSTED",
        Some(500) => "INTERNAL",
        Some(502 | 503) => "UNAVAILABLE",
        Some(504) => "DEADLINE_EXCEEDED",
        _ => "UNKNOWN",
    };
    Code::parse(name).unwrap_or(Code::UNAVAILABLE)
}

/// How much of the time is covered by what was sent.
fn covered(sent: &[Sent], inside: &std::ops::Range<u64>) -> u64 {
    let mut parts: Vec<_> = sent
        .iter()
        .map(|sent| (sent.start.clamp(inside.start, inside.end), sent.end.clamp(inside.start, inside.end)))
        .collect();
    parts.sort_unstable();
    let (mut covered, mut until) = (0, inside.start);
    for (start, end) in parts {
        let start = start.max(until);
        covered += end.saturating_sub(start);
        until = until.max(end);
    }
    covered
}
