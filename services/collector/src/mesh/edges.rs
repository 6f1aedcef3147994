//! The edges of the mesh, each with its counts over time.

use std::collections::HashMap;

use foldhash::quality::RandomState;
use octet_zipkin::edges::EdgeKind;

use super::{
    cell::{Call, Cell},
    names::NameId,
    series::{Ages, Series},
};

/// The maximum number of edges: reporters can invent names.
const MAX_EDGES: usize = 2_000;

/// The bytes of a full bucket. There is memory for one of each edge, whatever is reported.
const FULL_CELL: usize = 4_096;

/// Seconds after which an edge without counts is forgotten.
const IDLE: u32 = 120;

/// The bytes of an edge without its buckets.
const EDGE: usize = 256;

/// The services at both ends of an edge, and the kind of its traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ends {
    pub(super) caller: NameId,
    pub(super) callee: NameId,
    pub(super) kind: EdgeKind,
}

/// An edge's number, while it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EdgeId(u16);

#[derive(Debug)]
pub(super) struct Edge {
    pub(super) ends: Ends,
    pub(super) cells: Series<Cell>,
    last: u32,
}

#[derive(Debug)]
pub(super) struct Edges {
    max: usize,
    known: HashMap<Ends, EdgeId, RandomState>,
    list: Vec<Option<Edge>>,
    free: Vec<EdgeId>,
    bytes: usize,
}

impl Edges {
    /// No edges; at most as many as `bytes` have room for.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            max: (bytes / FULL_CELL).min(MAX_EDGES),
            known: HashMap::default(),
            list: Vec::new(),
            free: Vec::new(),
            bytes: 0,
        }
    }

    /// The number of an edge; `None` when there are too many.
    pub(super) fn id(&mut self, ends: Ends, second: u32) -> Option<EdgeId> {
        if let Some(id) = self.known.get(&ends) {
            return Some(*id);
        }
        let id = self.free.pop().or_else(|| {
            let next = u16::try_from(self.list.len()).ok().filter(|_| self.list.len() < self.max)?;
            self.list.push(None);
            Some(EdgeId(next))
        })?;
        *self.list.get_mut(usize::from(id.0))? = Some(Edge { ends, cells: Series::default(), last: second });
        self.known.insert(ends, id);
        self.bytes += EDGE;
        Some(id)
    }

    /// Counts a call.
    pub(super) fn add(&mut self, id: EdgeId, second: u32, call: &Call, ages: Ages) {
        self.change(id, second, ages, |cell| cell.add(call));
    }

    /// Takes back a call that was counted.
    pub(super) fn remove(&mut self, id: EdgeId, second: u32, call: &Call, ages: Ages) {
        self.change(id, second, ages, |cell| cell.remove(call));
    }

    fn change(&mut self, id: EdgeId, second: u32, ages: Ages, change: impl FnOnce(&mut Cell)) {
        let Some(Some(edge)) = self.list.get_mut(usize::from(id.0)) else { return };
        let before = edge.cells.bytes();
        edge.cells.change(second, ages, change);
        edge.last = edge.last.max(second);
        self.bytes = self.bytes + edge.cells.bytes() - before;
    }

    /// Merges and drops what is older than `ages` allow, and forgets edges without counts.
    pub(super) fn age(&mut self, ages: Ages, now: u32) {
        for (index, slot) in self.list.iter_mut().enumerate() {
            let Some(edge) = slot else { continue };
            let before = edge.cells.bytes();
            edge.cells.age(ages);
            self.bytes = self.bytes + edge.cells.bytes() - before;
            if edge.cells.is_empty() && now.saturating_sub(edge.last) > IDLE {
                self.known.remove(&edge.ends);
                self.bytes -= EDGE;
                *slot = None;
                self.free.extend(u16::try_from(index).ok().map(EdgeId));
            }
        }
    }

    /// The next edge from an index on, and the index after it.
    pub(super) fn next(&self, from: usize) -> Option<(&Edge, usize)> {
        let mut edges = self.list.iter().enumerate().skip(from);
        edges.find_map(|(index, edge)| Some((edge.as_ref()?, index + 1)))
    }

    /// The ends of an edge; `None` if it was forgotten.
    pub(super) fn ends(&self, id: EdgeId) -> Option<Ends> {
        Some(self.list.get(usize::from(id.0))?.as_ref()?.ends)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = NameId> {
        self.list.iter().flatten().flat_map(|edge| [edge.ends.caller, edge.ends.callee])
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
