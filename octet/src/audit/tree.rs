//! An answer is a list of greetings, and the list is a tree: depth first, upstreams in declared order.
//!
//! Reading it back is parsing. Where every service is strict there is one way to read a list. Where subtrees may
//! be absent there can be several (A calls B and D, B calls D: whose upstream is the D in `A B D`?), so every
//! service gets the set of its possible callers, over all ways to read the whole list.

use octet_topology::Policy;

use super::graph::{Graph, Node};

/// Who may have called whom in one answer, by places in its list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tree {
    /// For each place the possible callers' places, which come before it; none for the first.
    pub(super) callers: Vec<Vec<usize>>,
}

/// Why a list is not the answer of its first service.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// It holds nothing.
    Empty,
    /// The greeting at this place cannot stand there.
    NoPlace(usize),
    /// Greetings are absent that a strict service would not do without.
    Incomplete,
}

/// Reads `services`, the services of an answer in its order.
pub(super) fn read(graph: &Graph, services: &[usize]) -> Result<Tree, Misfit> {
    let whole = services.len();
    let spans = Spans::new(graph, services, |node| node.policy);
    let mut wanted = vec![Places::none(whole); whole];
    let Some(root) = wanted.first_mut() else { return Err(Misfit::Empty) };
    if !spans.ends(0).contains(whole) {
        let forgiving = Spans::new(graph, services, |_| Policy::Partial);
        let reached = forgiving.ends(0).iter().last().unwrap_or_default();
        return Err(if reached == whole { Misfit::Incomplete } else { Misfit::NoPlace(reached) });
    }
    root.insert(whole);

    let mut callers = vec![Vec::new(); whole];
    for start in 0..whole {
        // Whoever called this one stands before it, so everything that is wanted of it is known by now.
        let Some(mut after) = wanted.get(start).cloned().filter(|ends| !ends.is_empty()) else { continue };
        let Some(node) = services.get(start).and_then(|service| graph.node(*service)) else { continue };
        let reached = spans.reached(start, node);
        // Backwards over the upstreams: `after` is where the rest of the list begins in a whole reading.
        for (upstream, before) in node.calls.iter().zip(&reached).rev() {
            let mut from = Places::none(whole);
            if node.policy == Policy::Partial {
                from.add(&after);
                from.keep(before);
            }
            for place in before.iter().filter(|place| services.get(*place) == Some(upstream)) {
                let mut ends = spans.ends(place);
                ends.keep(&after);
                if !ends.is_empty() {
                    from.insert(place);
                    if let (Some(wanted), Some(callers)) = (wanted.get_mut(place), callers.get_mut(place)) {
                        wanted.add(&ends);
                        callers.push(start);
                    }
                }
            }
            after = from;
        }
    }
    Ok(Tree { callers })
}

/// Where the answer that begins at a place may end.
struct Spans<'a, P> {
    services: &'a [usize],
    policy: P,
    ends: Vec<Places>,
}

impl<'a, P: Fn(&Node) -> Policy> Spans<'a, P> {
    fn new(graph: &Graph, services: &'a [usize], policy: P) -> Self {
        let whole = services.len();
        let mut spans = Self { services, policy, ends: vec![Places::none(whole); whole] };
        for (start, service) in services.iter().enumerate().rev() {
            let ends = graph.node(*service).and_then(|node| spans.reached(start, node).pop());
            if let (Some(place), Some(ends)) = (spans.ends.get_mut(start), ends) {
                *place = ends;
            }
        }
        spans
    }

    fn ends(&self, start: usize) -> Places {
        self.ends.get(start).cloned().unwrap_or_else(|| Places::none(self.services.len()))
    }

    /// Where the list may have been read up to, before each upstream of the `node` at `start` and after the last.
    fn reached(&self, start: usize, node: &Node) -> Vec<Places> {
        let whole = self.services.len();
        let mut places = Places::none(whole);
        places.insert(start + 1);
        let mut reached = vec![places.clone()];
        for upstream in &node.calls {
            let absent_too = (self.policy)(node) == Policy::Partial;
            let mut next = if absent_too { places.clone() } else { Places::none(whole) };
            for place in places.iter().filter(|place| self.services.get(*place) == Some(upstream)) {
                if let Some(ends) = self.ends.get(place) {
                    next.add(ends);
                }
            }
            reached.push(next.clone());
            places = next;
        }
        reached
    }
}

/// A set of places in a list, its end included.
#[derive(Debug, Clone)]
struct Places(Vec<u64>);

impl Places {
    fn none(whole: usize) -> Self {
        Self(vec![0; whole / 64 + 1])
    }

    fn insert(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    fn contains(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    fn keep(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = usize> {
        (0..self.0.len() * 64).filter(|place| self.contains(*place))
    }
}

#[cfg(test)]
mod tests;
