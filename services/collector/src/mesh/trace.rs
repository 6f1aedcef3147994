//! The calls of one trace, found while its spans arrive in any order, late, twice, or in pieces.
//!
//! The rules are those of [`octet_zipkin::edges`]: a call that both sides report counts once, with the client's duration
//! and the server's name; a server counts by itself where no client reported the call; a message counts where it is
//! consumed, or where publishing it failed. Each span's contribution is computed again whenever a span that matters to it
//! arrives, so the counts do not depend on the order.

mod open;
mod recount;

use std::collections::HashMap;

use octet_zipkin::{Kind, edges::EdgeKind};

use super::{
    cell::{Call, Ending},
    edges::{EdgeId, Ends},
    facts::{Ended, Facts, Side},
    names::NameId,
};

/// The maximum number of spans of a trace that are matched; the calls of further ones are not counted.
pub(super) const MAX_ENTRIES: usize = 16_384;

/// The maximum number of spans without a kind between a span and what caused it.
const MAX_STEPS: usize = 64;

/// The maximum number of receivers that are looked at again when their parent arrives. Further ones wait until the trace
/// is settled.
const MAX_CHILDREN: usize = 256;

/// A trace with more spans has an index of their ids.
const INDEXED: usize = 64;

/// No entry.
const NONE: u32 = u32::MAX;

/// A span by its id, one of its two sides.
#[derive(Debug, Clone, Copy)]
struct Entry {
    id: u64,
    facts: Facts,
    counted: Option<Counted>,
    /// The other side with the same id.
    twin: u32,
    /// The receivers, and the spans within one service, whose parent has this id: the first of a list, and the next in the
    /// list that this one is in.
    children: u32,
    next: u32,
    /// The first server among the children.
    server: u32,
    has_consumer: bool,
    /// The service that made a call that failed, as part of the work of the receiver with this id.
    failed_below: NameId,
    is_listed: bool,
    /// It is among the uncounted calls.
    is_uncounted: bool,
    wait: Wait,
}

/// Whether a receiver waits for the spans above it, or has found them; whether a starter has found its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    No,
    Yes,
    /// They did not arrive in time: it counts by what is known.
    Over,
    /// The other half arrived before, in a part of the trace that was forgotten.
    Matched,
}

/// Whether a trace is to be counted by the rules for whole traces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Settling {
    #[default]
    Done,
    /// If a receiver still waits for its caller.
    IfWaiting,
    /// The counts may depend on the order of arrival.
    Needed,
}

/// What an entry contributes to the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) edge: EdgeId,
    pub(super) second: u32,
    pub(super) call: Call,
}

/// A message that was published, for consumers that receive it after its trace is forgotten.
#[derive(Debug, Clone, Copy)]
pub(super) struct Published {
    pub(super) service: NameId,
    pub(super) end: u64,
}

impl Published {
    fn of(producer: &Facts) -> Self {
        Self { service: producer.service, end: producer.end() }
    }

    /// How long a message waited until this start of its consumer; `None` where a time is unknown.
    pub(super) fn wait(&self, start: u64) -> Option<u32> {
        let is_known = self.end > 0 && start > 0;
        // Zero where the consumer's clock is behind the publisher's.
        is_known.then(|| saturated(start.saturating_sub(self.end)))
    }
}

/// Where traces count their calls.
pub(super) trait Counts {
    /// Replaces a contribution; returns what to take back next time.
    fn replace(&mut self, before: Option<Counted>, now: Option<(Ends, Call)>) -> Option<Counted>;
    /// Notes a call that could not be counted.
    fn uncounted(&mut self);
    /// The publisher of a message whose trace was forgotten.
    fn published(&self, span: u64) -> Option<Published>;
    /// Whether a call was counted for its client, whose trace was forgotten.
    fn is_called(&self, client: u64) -> bool;
    /// What a server counted by itself, whose trace was forgotten, for the client that counts the call now.
    fn take_served(&mut self, client: u64) -> Option<Counted>;
    /// Counts a message for its publisher that was consumed before; false if it was not.
    fn consumed(&mut self, producer: u64, published: Published) -> bool;
}

#[derive(Debug, Default)]
pub(super) struct Trace {
    entries: Vec<Entry>,
    /// The entries' ids, close together for searching.
    ids: Vec<u64>,
    index: Option<HashMap<u64, u32, foldhash::quality::RandomState>>,
    /// The second of its last arrival.
    pub(super) last: u32,
    /// Whether it waits to be settled.
    pub(super) is_due: bool,
    settling: Settling,
    /// Whether a receiver has waited in vain or has no caller in the trace: it may count otherwise with every span that
    /// arrives.
    is_incomplete: bool,
}

/// What precedes a receiver.
enum Above<'a> {
    /// The nearest span that is part of a call or message.
    Found(&'a Facts),
    /// Absent.
    Nothing,
    /// It has not arrived.
    Unknown,
}

impl Trace {
    /// Adds a span. Returns false when there are too many.
    pub(super) fn add(&mut self, id: u64, facts: Facts, counts: &mut impl Counts) -> bool {
        if self.entries.len() + 2 > MAX_ENTRIES {
            return false;
        }
        let main = self.main(id);
        let Some(entry) = self.fill(main, facts) else { return true };
        self.link(main, entry);
        self.adopt(entry, counts);
        self.join_consumed(main, counts);

        self.evaluate_starter(main, counts);
        self.evaluate_receiver(main, counts);
        self.evaluate_children(main, counts);
        let Some(Entry { facts, .. }) = self.entries.get(entry).copied() else { return true };
        // Ids of two sides, spans within a service, and causes of failures.
        let order_matters = entry != main || facts.kind.is_none() || facts.ended == Ended::Failed;
        if order_matters || self.is_incomplete {
            self.settling = Settling::Needed;
        }
        // Also when its partner arrives: the receiver is no child of its parent then.
        if let Some(receiver) = self.facts(main, Side::Receiver)
            && let Some(parent) = self.find(receiver.parent)
        {
            self.evaluate_starter(parent, counts);
        }
        let starts = matches!(facts.kind, Some(Kind::Client | Kind::Producer));
        let is_marked = |entry: &Entry| entry.failed_below != NameId::NONE;
        let is_between = facts.kind.is_none() && self.entries.get(main).is_some_and(is_marked);
        if is_between || (starts && facts.ended == Ended::Failed) {
            self.mark_failed_below(&facts, counts);
        }
        true
    }

    /// Whether the counts may not be final: a receiver waits for its caller, or the order of arrival matters.
    pub(super) fn needs_settling(&self) -> bool {
        self.settling != Settling::Done
    }

    /// Counts everything by what is known, receivers that still wait for their caller included.
    pub(super) fn settle(&mut self, counts: &mut impl Counts) {
        let mut is_open = self.settling == Settling::Needed;
        for entry in &mut self.entries {
            if entry.wait == Wait::Yes {
                (entry.wait, is_open) = (Wait::Over, true);
                self.is_incomplete = true;
            }
        }
        // Usually every caller has arrived meanwhile.
        if is_open {
            self.recount(counts);
        }
        self.settling = Settling::Done;
    }

    pub(super) fn names(&self) -> impl Iterator<Item = NameId> {
        self.entries.iter().flat_map(|entry| [entry.facts.service, entry.facts.remote])
    }

    /// The bytes of its allocations.
    pub(super) fn bytes(&self) -> usize {
        let index = self.index.as_ref().map_or(0, |index| index.capacity() * 18);
        self.entries.capacity() * (size_of::<Entry>() + size_of::<u64>()) + index
    }

    /// The entry that an id leads to; its twin is the other side.
    fn find(&self, id: u64) -> Option<usize> {
        if id == 0 {
            return None;
        }
        if let Some(index) = &self.index {
            return index.get(&id).and_then(|found| usize::try_from(*found).ok());
        }
        self.ids.iter().position(|known| *known == id)
    }

    /// As [`find`](Self::find), with an absent entry for an unknown span.
    fn main(&mut self, id: u64) -> usize {
        if let Some(found) = self.find(id) {
            return found;
        }
        let main = self.push(id, Facts::ABSENT);
        if let Some(index) = &mut self.index {
            index.insert(id, position(main));
        } else if self.entries.len() > INDEXED {
            let mut index = HashMap::default();
            for (position_of, entry) in self.entries.iter().enumerate() {
                // A twin comes after its main entry.
                index.entry(entry.id).or_insert(position(position_of));
            }
            self.index = Some(index);
        }
        main
    }

    fn push(&mut self, id: u64, facts: Facts) -> usize {
        if self.entries.len() == self.entries.capacity() {
            // A trace of Octet has 21 spans.
            let growth = match self.entries.len() {
                0 => 8,
                length @ 1..24 => 24 - length,
                length => length / 2,
            };
            self.entries.reserve_exact(growth);
            self.ids.reserve_exact(growth);
        }
        self.ids.push(id);
        self.entries.push(Entry {
            id,
            facts,
            counted: None,
            twin: NONE,
            children: NONE,
            next: NONE,
            server: NONE,
            has_consumer: false,
            failed_below: NameId::NONE,
            is_listed: false,
            is_uncounted: false,
            wait: Wait::No,
        });
        self.entries.len() - 1
    }

    /// The entry of a side.
    fn side(&self, main: usize, side: Side) -> Option<usize> {
        let entry = self.entries.get(main)?;
        if entry.facts.side == side {
            return Some(main);
        }
        let twin = usize::try_from(entry.twin).ok()?;
        (self.entries.get(twin)?.facts.side == side).then_some(twin)
    }

    fn facts(&self, main: usize, side: Side) -> Option<&Facts> {
        self.entries.get(self.side(main, side)?).map(|entry| &entry.facts)
    }

    /// Stores a span or a piece of one; `None` if that changes nothing.
    fn fill(&mut self, main: usize, facts: Facts) -> Option<usize> {
        let same_service = |index: &usize| {
            self.entries.get(*index).is_some_and(|entry| entry.facts.service == facts.service)
        };
        let own = self.side(main, facts.side);
        let other = if facts.side == Side::Starter { Side::Receiver } else { Side::Starter };
        let other = self.side(main, other).filter(same_service);
        let piece_of = |index: &usize| {
            let known = self.entries.get(*index).map(|entry| entry.facts.kind);
            facts.kind.is_none() || known == Some(None)
        };
        // A piece can lack the kind that shows its side.
        if let Some(index) = other.filter(piece_of).or(own) {
            let known = &mut self.entries.get_mut(index)?.facts;
            let before = *known;
            known.absorb(&facts);
            return (*known != before).then_some(index);
        }
        let entry = self.entries.get_mut(main)?;
        if entry.facts.side == Side::Absent {
            entry.facts = facts;
            return Some(main);
        }
        let twin = self.push(self.entries.get(main)?.id, facts);
        self.entries.get_mut(main)?.twin = position(twin);
        Some(twin)
    }

    /// Lists a receiver, or a span within one service, at its parent.
    fn link(&mut self, main: usize, entry: usize) {
        let Some(Entry { facts, .. }) = self.entries.get(entry).copied() else { return };
        let is_listed = facts.side == Side::Receiver || facts.kind.is_none();
        if !is_listed || facts.parent == 0 {
            return;
        }
        let parent = self.main(facts.parent);
        let Some(above) = self.entries.get_mut(parent) else { return };
        match facts.kind {
            Some(Kind::Server) if above.server == NONE => above.server = position(main),
            Some(Kind::Consumer) => above.has_consumer = true,
            _ => {}
        }
        // The other side with this id has the same parent.
        if self.entries.get(main).is_none_or(|main| main.is_listed) {
            return;
        }
        let Some(above) = self.entries.get_mut(parent) else { return };
        let next = std::mem::replace(&mut above.children, position(main));
        if let Some(main) = self.entries.get_mut(main) {
            (main.next, main.is_listed) = (next, true);
        }
    }

    /// The span that a child of this id with this service belongs to.
    fn parent_of(&self, id: u64, service: NameId) -> Option<&Facts> {
        let main = self.find(id)?;
        let (starter, receiver) = (self.facts(main, Side::Starter), self.facts(main, Side::Receiver));
        match (starter, receiver) {
            (Some(_), Some(receiver)) if receiver.service == service => Some(receiver),
            (starter, receiver) => starter.or(receiver),
        }
    }

    /// The starter with a receiver's own id, if both are sides of one call or message.
    fn partner(&self, main: usize, receiver: &Facts) -> Option<&Facts> {
        let starter = self.facts(main, Side::Starter)?;
        let is_pair = match receiver.kind {
            Some(Kind::Server) => starter.is(Kind::Client),
            Some(Kind::Consumer) => starter.is(Kind::Producer),
            _ => false,
        };
        (is_pair || receiver.is_shared).then_some(starter)
    }

    fn above(&self, main: usize, receiver: &Facts) -> Above<'_> {
        let (mut parent, mut service) = (receiver.parent, receiver.service);
        if let Some(starter) = self.partner(main, receiver) {
            if starter.kind.is_some() {
                return Above::Found(starter);
            }
            (parent, service) = (starter.parent, starter.service);
        }
        for _ in 0..MAX_STEPS {
            if parent == 0 {
                return Above::Nothing;
            }
            let Some(facts) = self.parent_of(parent, service) else { return Above::Unknown };
            if facts.kind.is_some() {
                return Above::Found(facts);
            }
            (parent, service) = (facts.parent, facts.service);
        }
        Above::Nothing
    }

    fn evaluate_starter(&mut self, main: usize, counts: &mut impl Counts) {
        let Some(starter) = self.side(main, Side::Starter) else { return };
        let Some(Entry { facts, .. }) = self.entries.get(starter) else { return };
        let now = match facts.kind {
            Some(Kind::Client) => Self::client_call(facts, self.server_of(main)),
            Some(Kind::Producer) => Self::failed_publishing(facts, self.is_consumed(main)),
            _ => None,
        };
        self.set(starter, now, counts);
    }

    /// A client's server, and whether a call failed as part of its work.
    fn server_of(&self, main: usize) -> Option<(&Facts, bool)> {
        let shared = self.side(main, Side::Receiver).map(|index| (main, index));
        let (main, index) = shared.or_else(|| self.server_below(main))?;
        let facts = &self.entries.get(index)?.facts;
        facts.is(Kind::Server).then_some((facts, self.failed_below(main, facts)))
    }

    fn client_call(client: &Facts, server: Option<(&Facts, bool)>) -> Option<(Ends, Call)> {
        let (failing, failed_below) = match (client.ended, server) {
            (Ended::Ok, Some((server, below))) if server.ended == Ended::Failed => (server, below),
            (_, server) => (client, server.is_some_and(|(_, below)| below)),
        };
        let kind = if server.is_none() && client.is_database { EdgeKind::Database } else { EdgeKind::Rpc };
        let callee = server.map_or(NameId::NONE, |(server, _)| server.service).or(client.remote);
        ends(client.service, callee, kind).map(|ends| (ends, call(failing, client.duration, failed_below)))
    }

    /// The server among the children of a client. One that shares its own client's id belongs to that one.
    fn server_below(&self, main: usize) -> Option<(usize, usize)> {
        let server = |child: u32| {
            let child = usize::try_from(child).ok()?;
            let index = self.side(child, Side::Receiver)?;
            let facts = &self.entries.get(index)?.facts;
            let is_own = facts.is(Kind::Server) && self.partner(child, facts).is_none();
            is_own.then_some((child, index))
        };
        let Entry { server: first, children, .. } = *self.entries.get(main)?;
        if first == NONE {
            return None;
        }
        let mut next = children;
        let mut all = std::iter::from_fn(|| {
            let child = next;
            next = self.entries.get(usize::try_from(child).ok()?)?.next;
            Some(child)
        });
        server(first).or_else(|| all.by_ref().take(MAX_CHILDREN).find_map(server))
    }

    fn is_consumed(&self, main: usize) -> bool {
        let shares = self.facts(main, Side::Receiver).is_some_and(|receiver| receiver.is(Kind::Consumer));
        shares || self.entries.get(main).is_some_and(|main| main.has_consumer)
    }

    /// Counts a message that could not be published; others count where they are consumed.
    fn failed_publishing(producer: &Facts, is_consumed: bool) -> Option<(Ends, Call)> {
        if producer.ended != Ended::Failed || is_consumed {
            return None;
        }
        let ends = ends(producer.service, producer.remote, EdgeKind::Messaging)?;
        Some((ends, call(producer, producer.duration, false)))
    }

    fn evaluate_receiver(&mut self, main: usize, counts: &mut impl Counts) {
        let Some(receiver) = self.side(main, Side::Receiver) else { return };
        let Some(Entry { facts, wait, .. }) = self.entries.get(receiver).copied() else { return };
        if wait == Wait::Matched {
            return;
        }
        let facts = &facts;
        let mut is_matched = false;
        let failed_below = self.failed_below(main, facts);
        let above = self.above(main, facts);
        let mut is_waiting = matches!(above, Above::Unknown) && wait != Wait::Over;
        // A client elsewhere in the trace may count the call.
        let is_apart = matches!(above, Above::Nothing) && facts.parent != 0 && facts.is(Kind::Server);
        let now = match facts.kind {
            Some(Kind::Server) => {
                let direct =
                    self.partner(main, facts).or_else(|| self.parent_of(facts.parent, facts.service));
                let caller = match above {
                    // The client counts it.
                    _ if direct.is_some_and(|parent| parent.is(Kind::Client)) => NameId::NONE,
                    _ if self.is_called(facts, main, counts) => {
                        is_matched = true;
                        NameId::NONE
                    }
                    _ if is_waiting => NameId::NONE,
                    Above::Found(above) => above.service.or(facts.remote),
                    Above::Nothing | Above::Unknown => facts.remote,
                };
                let call = call(facts, facts.duration, failed_below);
                let ends = ends(caller, facts.service, EdgeKind::Rpc);
                ends.filter(|ends| ends.caller != ends.callee).map(|ends| (ends, call))
            }
            Some(Kind::Consumer) => {
                let published = match above {
                    Above::Found(above) if above.is(Kind::Producer) => Some(Published::of(above)),
                    Above::Found(_) | Above::Nothing => None,
                    Above::Unknown => counts.published(facts.parent),
                };
                is_matched = published.is_some() && matches!(above, Above::Unknown);
                is_waiting &= !is_matched;
                message(facts, published, failed_below).filter(|_| !is_waiting)
            }
            _ => None,
        };
        is_waiting &= facts.kind.is_some() && !is_matched;
        if is_apart {
            (self.is_incomplete, self.settling) = (true, Settling::Needed);
        }
        if is_waiting {
            self.settling = self.settling.max(Settling::IfWaiting);
        }
        if let Some(entry) = self.entries.get_mut(receiver) {
            entry.wait = match wait {
                _ if is_matched => Wait::Matched,
                Wait::Over => Wait::Over,
                _ if is_waiting => Wait::Yes,
                _ => Wait::No,
            };
        }
        self.set(receiver, now, counts);
    }

    /// Whether a server's call was counted for its client before the trace was forgotten.
    fn is_called(&self, server: &Facts, main: usize, counts: &impl Counts) -> bool {
        let client =
            if server.is_shared { self.entries.get(main).map(|main| main.id) } else { Some(server.parent) };
        client.is_some_and(|client| counts.is_called(client))
    }

    /// Makes a client responsible for what its server counted by itself, if it can count the call.
    fn adopt(&mut self, entry: usize, counts: &mut impl Counts) {
        if let Some(Entry { id, facts, counted: counted @ None, wait, .. }) = self.entries.get_mut(entry)
            && facts.is(Kind::Client)
            && ends(facts.service, facts.remote, EdgeKind::Rpc).is_some()
            && let Some(served) = counts.take_served(*id)
        {
            (*counted, *wait) = (Some(served), Wait::Matched);
        }
    }

    /// Counts a message whose consumer was forgotten.
    fn join_consumed(&mut self, main: usize, counts: &mut impl Counts) {
        let Some(index) = self.side(main, Side::Starter) else { return };
        let Some(Entry { id, facts, wait, .. }) = self.entries.get_mut(index) else { return };
        if !facts.is(Kind::Producer) || *wait == Wait::Matched || !counts.consumed(*id, Published::of(facts))
        {
            return;
        }
        *wait = Wait::Matched;
        if let Some(main) = self.entries.get_mut(main) {
            main.has_consumer = true;
        }
    }

    /// Counts the receivers below a span again, those below spans within its service included.
    fn evaluate_children(&mut self, main: usize, counts: &mut impl Counts) {
        let children = |trace: &Self, main: usize| trace.entries.get(main).map_or(NONE, |main| main.children);
        let first = children(self, main);
        if first == NONE {
            return;
        }
        let mut lists = vec![first];
        let mut left = MAX_CHILDREN;
        while let Some(next) = lists.pop() {
            let Some(child) = usize::try_from(next).ok().filter(|child| *child < self.entries.len()) else {
                continue;
            };
            left -= 1;
            if left == 0 {
                return;
            }
            lists.push(self.entries.get(child).map_or(NONE, |child| child.next));
            self.evaluate_receiver(child, counts);
            if self.facts(child, Side::Starter).is_some_and(|facts| facts.kind.is_none()) {
                lists.push(children(self, child));
            }
        }
    }

    /// Marks the receiver as part of whose work a call failed, and counts its own call again.
    fn mark_failed_below(&mut self, failed: &Facts, counts: &mut impl Counts) {
        let (mut parent, mut service) = (failed.parent, failed.service);
        for _ in 0..MAX_STEPS {
            if parent == 0 || self.entries.len() + 1 > MAX_ENTRIES {
                return;
            }
            let main = self.main(parent);
            let above = self.parent_of(parent, service).copied();
            let is_starter =
                above.is_some_and(|above| matches!(above.kind, Some(Kind::Client | Kind::Producer)));
            if is_starter {
                return;
            }
            if let Some(entry) = self.entries.get_mut(main) {
                entry.failed_below = service.or(NameId::UNKNOWN);
            }
            // An absent span passes the mark on when it arrives.
            let Some(above) = above else { return };
            if above.kind.is_some() {
                self.evaluate_receiver(main, counts);
                self.evaluate_starter(main, counts);
                if let Some(caller) = self.find(above.parent) {
                    self.evaluate_starter(caller, counts);
                }
                return;
            }
            (parent, service) = (above.parent, above.service);
        }
    }

    /// Whether a call failed that was made as part of this receiver's work, and not of its starter's with the same id.
    fn failed_below(&self, main: usize, receiver: &Facts) -> bool {
        let service = self.entries.get(main).map_or(NameId::NONE, |main| main.failed_below);
        let is_own = self.side(main, Side::Starter).is_none() || service == receiver.service;
        service != NameId::NONE && is_own
    }

    fn set(&mut self, index: usize, now: Option<(Ends, Call)>, counts: &mut impl Counts) {
        if let Some(entry) = self.entries.get_mut(index)
            && (entry.counted.is_some() || now.is_some())
        {
            let is_known = entry.counted.is_some() || entry.is_uncounted;
            entry.counted = counts.replace(entry.counted, now);
            if entry.counted.is_none() && !is_known {
                entry.is_uncounted = true;
                counts.uncounted();
            }
        }
    }
}

fn position(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(NONE)
}

fn saturated(micros: u64) -> u32 {
    u32::try_from(micros).unwrap_or(u32::MAX)
}

fn ends(caller: NameId, callee: NameId, kind: EdgeKind) -> Option<Ends> {
    (caller != NameId::NONE && callee != NameId::NONE).then_some(Ends { caller, callee, kind })
}

fn message(consumer: &Facts, published: Option<Published>, failed_below: bool) -> Option<(Ends, Call)> {
    let from = published.map_or(NameId::NONE, |published| published.service).or(consumer.remote);
    let mut call = call(consumer, consumer.duration, failed_below);
    call.wait = published.and_then(|published| published.wait(consumer.start));
    Some((ends(from, consumer.service, EdgeKind::Messaging)?, call))
}

fn call(facts: &Facts, duration: u32, failed_below: bool) -> Call {
    let ending = match facts.ended {
        Ended::Ok => Ending::Ok,
        Ended::Cancelled => Ending::Cancelled,
        Ended::Failed if failed_below => Ending::Propagated,
        Ended::Failed => Ending::Failed,
    };
    Call { ending, code: facts.code, duration, wait: None }
}
