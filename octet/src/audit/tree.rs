//! An answer is a list of greetings that encodes a tree: depth first, upstreams in declared order.
//!
//! This parses the list back into the tree. If every service is strict, there is one way to parse it. If subtrees may be
//! absent there can be several (A calls B and D, B calls D: which of them called the D in `A B D`?), so each greeting
//! gets the set of its possible callers, over all ways to parse the whole list.

use octet_topology::Policy;

use super::graph::{Graph, Node};

/// The possible callers of each greeting in one answer, by position in its list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tree {
    /// For each position the positions of its possible callers, which precede it; empty for the first.
    pub(super) callers: Vec<Vec<usize>>,
}

/// Why a list is not an answer of its first service.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InvalidAnswer {
    /// It is empty.
    Empty,
    /// The greeting at this position cannot be there.
    Misplaced(usize),
    /// Greetings are absent although their caller is strict.
    Incomplete,
}

/// Parses `services`, the services of an answer in order.
pub(super) fn read(graph: &Graph, services: &[usize]) -> Result<Tree, InvalidAnswer> {
    let length = services.len();
    let spans = Spans::new(graph, services, |node| node.policy);
    let mut required = vec![Positions::empty(length); length];
    let Some(root) = required.first_mut() else { return Err(InvalidAnswer::Empty) };
    if !spans.ends(0).contains(length) {
        let lenient = Spans::new(graph, services, |_| Policy::Partial);
        let reached = lenient.ends(0).iter().last().unwrap_or_default();
        return Err(if reached == length {
            InvalidAnswer::Incomplete
        } else {
            InvalidAnswer::Misplaced(reached)
        });
    }
    root.insert(length);

    let mut callers = vec![Vec::new(); length];
    for start in 0..length {
        // Its callers precede it, so all ends that they require of it are known now.
        let Some(mut after) = required.get(start).cloned().filter(|ends| !ends.is_empty()) else { continue };
        let Some(node) = services.get(start).and_then(|service| graph.node(*service)) else { continue };
        let reached = spans.reached(start, node);
        // Backwards over the upstreams: `after` is where the rest of the list starts in a complete parse.
        for (call, before) in node.calls.iter().zip(&reached).rev() {
            let upstream = &call.callee;
            let mut from = Positions::empty(length);
            if node.policy == Policy::Partial || call.is_drawn {
                from.unite(&after);
                from.intersect(before);
            }
            for position in before.iter().filter(|position| services.get(*position) == Some(upstream)) {
                let mut ends = spans.ends(position);
                ends.intersect(&after);
                if !ends.is_empty() {
                    from.insert(position);
                    if let (Some(required), Some(callers)) =
                        (required.get_mut(position), callers.get_mut(position))
                    {
                        required.unite(&ends);
                        callers.push(start);
                    }
                }
            }
            after = from;
        }
    }
    Ok(Tree { callers })
}

/// Where the answer that starts at a position may end.
struct Spans<'a, P> {
    services: &'a [usize],
    policy: P,
    ends: Vec<Positions>,
}

impl<'a, P: Fn(&Node) -> Policy> Spans<'a, P> {
    fn new(graph: &Graph, services: &'a [usize], policy: P) -> Self {
        let length = services.len();
        let mut spans = Self { services, policy, ends: vec![Positions::empty(length); length] };
        for (start, service) in services.iter().enumerate().rev() {
            let ends = graph.node(*service).and_then(|node| spans.reached(start, node).pop());
            if let (Some(position), Some(ends)) = (spans.ends.get_mut(start), ends) {
                *position = ends;
            }
        }
        spans
    }

    fn ends(&self, start: usize) -> Positions {
        self.ends.get(start).cloned().unwrap_or_else(|| Positions::empty(self.services.len()))
    }

    /// The positions that may be reached before each upstream of the `node` at `start`, and after the last one.
    fn reached(&self, start: usize, node: &Node) -> Vec<Positions> {
        let length = self.services.len();
        let mut positions = Positions::empty(length);
        positions.insert(start + 1);
        let mut reached = vec![positions.clone()];
        for call in &node.calls {
            let upstream = &call.callee;
            let may_be_absent = (self.policy)(node) == Policy::Partial || call.is_drawn;
            let mut next = if may_be_absent { positions.clone() } else { Positions::empty(length) };
            for position in positions.iter().filter(|position| self.services.get(*position) == Some(upstream))
            {
                if let Some(ends) = self.ends.get(position) {
                    next.unite(ends);
                }
            }
            reached.push(next.clone());
            positions = next;
        }
        reached
    }
}

/// A set of positions in a list, its end included.
#[derive(Debug, Clone)]
struct Positions(Vec<u64>);

impl Positions {
    fn empty(length: usize) -> Self {
        Self(vec![0; length / 64 + 1])
    }

    fn insert(&mut self, position: usize) {
        if let Some(word) = self.0.get_mut(position / 64) {
            *word |= 1 << (position % 64);
        }
    }

    fn contains(&self, position: usize) -> bool {
        self.0.get(position / 64).is_some_and(|word| word >> (position % 64) & 1 == 1)
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    fn unite(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    fn intersect(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = usize> {
        (0..self.0.len() * 64).filter(|position| self.contains(*position))
    }
}

#[cfg(test)]
mod tests;
