//! What is remembered of a trace when it is forgotten: the calls and messages of which one half has not arrived.

use octet_zipkin::Kind;

use super::{Above, Ended, Entry, Published, Side, Trace, Wait};
use crate::mesh::halves::{Half, Received};

impl Trace {
    /// The messages that nobody has consumed.
    pub(in crate::mesh) fn unconsumed(&self) -> impl Iterator<Item = (u64, Published)> {
        let published = |entry: &Entry| {
            let facts = &entry.facts;
            let waits = facts.is(Kind::Producer) && !entry.has_consumer && facts.ended == Ended::Ok;
            waits.then(|| (entry.id, Published::of(facts)))
        };
        self.entries.iter().filter_map(published)
    }

    /// The calls that only their client has reported, and the calls and messages that only their receiver has, by the ids
    /// of their starters.
    pub(in crate::mesh) fn halves(&self) -> impl Iterator<Item = (u64, Half)> {
        self.entries.iter().filter_map(|entry| self.half(entry))
    }

    fn half(&self, entry: &Entry) -> Option<(u64, Half)> {
        let counted = entry.counted.filter(|_| entry.wait != Wait::Matched)?;
        let facts = &entry.facts;
        let main = self.find(entry.id)?;
        match facts.kind {
            Some(Kind::Client) if !facts.is_database => {
                self.server_of(main).is_none().then_some((entry.id, Half::Called))
            }
            Some(kind @ (Kind::Server | Kind::Consumer)) => {
                let is_alone = if facts.is_shared {
                    self.side(main, Side::Starter).is_none()
                } else {
                    matches!(self.above(main, facts), Above::Unknown)
                };
                if !is_alone {
                    return None;
                }
                let starter = if facts.is_shared { entry.id } else { facts.parent };
                let received = Received { counted, start: facts.start, is_message: kind == Kind::Consumer };
                Some((starter, Half::Received(received)))
            }
            _ => None,
        }
    }
}
