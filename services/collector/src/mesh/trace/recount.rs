//! The calls of a trace by the rules for whole traces ([`octet_zipkin::edges`]), whatever the order of arrival was.

use std::{cell::OnceCell, collections::HashSet};

use octet_zipkin::{Kind, edges::EdgeKind};

use super::{Counts, Ended, Ends, Facts, MAX_STEPS, Published, Side, Trace, Wait, call, ends, message};
use crate::mesh::{cell::Call, names::NameId};

/// The entries as a forest, by their positions.
struct Tree {
    parents: Vec<Option<usize>>,
    /// The nearest span above that is part of a call or message.
    ancestors: Vec<Option<usize>>,
    /// Of a client, its server.
    servers: Vec<Option<usize>>,
    /// Of a producer, whether there is a consumer.
    is_consumed: Vec<bool>,
    /// Of a receiver, whether a call or a publishing failed as part of its work.
    failed_below: Vec<bool>,
    /// The services and upstreams of clients without a server; when they are first needed.
    unserved: OnceCell<HashSet<(NameId, NameId)>>,
}

impl Trace {
    /// Counts every call again.
    pub(super) fn recount(&mut self, counts: &mut impl Counts) {
        let tree = Tree::of(self);
        for index in 0..self.entries.len() {
            if self.entries.get(index).is_none_or(|entry| entry.wait == Wait::Matched) {
                continue;
            }
            let now = self.call_at(index, &tree, counts);
            self.set(index, now, counts);
        }
    }

    fn call_at(&self, index: usize, tree: &Tree, counts: &impl Counts) -> Option<(Ends, Call)> {
        let facts = self.at(index)?;
        let failed_below = |index: usize| tree.failed_below.get(index).copied().unwrap_or_default();
        let above = tree.ancestors.get(index).copied().flatten().and_then(|above| self.at(above));
        match facts.kind? {
            Kind::Client => {
                let server = tree.servers.get(index).copied().flatten();
                let server = server.and_then(|server| Some((self.at(server)?, failed_below(server))));
                Self::client_call(facts, server)
            }
            Kind::Server => {
                let parent = tree.parents.get(index).copied().flatten().and_then(|parent| self.at(parent));
                let main = self.entries.get(index).and_then(|entry| self.find(entry.id))?;
                if parent.is_some_and(|parent| parent.is(Kind::Client)) || self.is_called(facts, main, counts)
                {
                    return None;
                }
                // What is between them reports no spans, and its client counts the call.
                let is_apart = above.is_none() && facts.parent != 0;
                if is_apart && tree.unserved(self).contains(&(facts.remote, facts.service)) {
                    return None;
                }
                let caller = above.map_or(NameId::NONE, |above| above.service).or(facts.remote);
                let ends = ends(caller, facts.service, EdgeKind::Rpc);
                let ends = ends.filter(|ends| ends.caller != ends.callee)?;
                Some((ends, call(facts, facts.duration, failed_below(index))))
            }
            Kind::Producer => {
                let is_consumed = tree.is_consumed.get(index).copied().unwrap_or_default();
                Self::failed_publishing(facts, is_consumed)
            }
            Kind::Consumer => {
                let published = match above {
                    None => counts.published(facts.parent),
                    Some(above) => above.is(Kind::Producer).then(|| Published::of(above)),
                };
                message(facts, published, failed_below(index))
            }
        }
    }

    fn at(&self, index: usize) -> Option<&Facts> {
        self.entries.get(index).map(|entry| &entry.facts).filter(|facts| facts.side != Side::Absent)
    }

    /// Whether an entry is the receiver of the call or message that its id's starter began.
    fn is_shared(&self, index: usize) -> bool {
        let Some(entry) = self.entries.get(index) else { return false };
        let partner = || self.find(entry.id).and_then(|main| self.partner(main, &entry.facts)).is_some();
        entry.facts.is_shared || (entry.facts.side == Side::Receiver && partner())
    }

    /// The entries of an id, the starter first.
    fn sides(&self, id: u64) -> impl Iterator<Item = usize> {
        let main = self.find(id);
        let side = move |side| main.and_then(|main| self.side(main, side));
        [side(Side::Starter), side(Side::Receiver)].into_iter().flatten()
    }

    /// A shared id's receiver is below the starter, and what is below a shared id belongs to the span of its own service.
    fn parent_at(&self, index: usize) -> Option<usize> {
        let entry = self.entries.get(index)?;
        let facts = self.at(index)?;
        let starter = self.sides(entry.id).find(|other| *other != index && !self.is_shared(*other));
        if self.is_shared(index) && starter.is_some() {
            return starter;
        }
        let has_service = |other: &usize| self.at(*other).is_some_and(|other| other.service == facts.service);
        let above = || self.sides(facts.parent);
        let own = above().find(|other| self.is_shared(*other) && has_service(other));
        let first = || above().find(|other| !self.is_shared(*other));
        own.or_else(first).or_else(|| above().next()).filter(|above| *above != index)
    }
}

impl Tree {
    fn of(trace: &Trace) -> Self {
        let length = trace.entries.len();
        let parents: Vec<_> = (0..length).map(|index| trace.parent_at(index)).collect();
        let mut tree = Self {
            ancestors: (0..length).map(|index| ancestor(trace, &parents, index)).collect(),
            servers: vec![None; length],
            is_consumed: vec![false; length],
            failed_below: vec![false; length],
            unserved: OnceCell::new(),
            parents,
        };
        for index in 0..length {
            tree.add(trace, index);
        }
        tree
    }

    fn unserved(&self, trace: &Trace) -> &HashSet<(NameId, NameId)> {
        self.unserved.get_or_init(|| {
            let clients = (0..trace.entries.len()).filter_map(|index| Some((index, trace.at(index)?)));
            let unserved = clients.filter(|(index, facts)| {
                let has_server = self.servers.get(*index).copied().flatten().is_some();
                facts.is(Kind::Client) && !has_server && facts.remote != NameId::NONE
            });
            unserved.map(|(_, facts)| (facts.service, facts.remote)).collect()
        })
    }

    /// Notes what an entry means for those above it.
    fn add(&mut self, trace: &Trace, index: usize) {
        let Some(facts) = trace.at(index) else { return };
        let parent = self.parents.get(index).copied().flatten();
        match facts.kind {
            Some(Kind::Server) => {
                // The same one in any order of arrival.
                let id = |index: usize| trace.entries.get(index).map(|entry| entry.id);
                if let Some(server) = parent.and_then(|parent| self.servers.get_mut(parent))
                    && server.is_none_or(|other| id(index) < id(other))
                {
                    *server = Some(index);
                }
            }
            Some(Kind::Consumer) => {
                if let Some(is_consumed) = parent.and_then(|parent| self.is_consumed.get_mut(parent)) {
                    *is_consumed = true;
                }
            }
            Some(Kind::Client | Kind::Producer) if facts.ended == Ended::Failed => {
                let above = self.ancestors.get(index).copied().flatten();
                if let Some(above) = above
                    && trace.at(above).is_some_and(|above| above.side == Side::Receiver)
                    && let Some(failed_below) = self.failed_below.get_mut(above)
                {
                    *failed_below = true;
                }
            }
            _ => {}
        }
    }
}

fn ancestor(trace: &Trace, parents: &[Option<usize>], index: usize) -> Option<usize> {
    let mut current = index;
    for _ in 0..MAX_STEPS {
        current = parents.get(current).copied().flatten()?;
        if trace.at(current)?.kind.is_some() {
            return Some(current).filter(|above| *above != index);
        }
    }
    None
}
