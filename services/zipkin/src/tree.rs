//! The spans of one trace as a tree.
//!
//! Zipkin's rules: a server that shares its client's id is the client's child; a child of a shared id belongs to the
//! span of its own service. The pieces of a span that was reported in several are joined.

use std::{borrow::Cow, collections::HashMap};

use crate::{Kind, Span, SpanId};

/// A trace's spans as a forest: any span can be missing.
#[derive(Debug)]
pub struct Tree<'a> {
    nodes: Vec<Node<'a>>,
}

#[derive(Debug)]
struct Node<'a> {
    span: Cow<'a, Span>,
    is_shared: bool,
    parent: Option<usize>,
    children: Vec<usize>,
}

/// A span with its place in a tree.
#[derive(Debug, Clone, Copy)]
pub struct Place<'t, 'a> {
    tree: &'t Tree<'a>,
    node: &'t Node<'a>,
    index: usize,
    remote_ancestor: Option<usize>,
}

impl<'a> Tree<'a> {
    /// Joins spans that all have the same trace id.
    pub fn new(spans: impl IntoIterator<Item = &'a Span> + Clone) -> Self {
        let mut nodes = whole_spans(spans);
        let parents = Parents::of(&nodes);
        let found: Vec<_> =
            nodes.iter().enumerate().map(|(index, node)| parents.parent(index, node)).collect();
        for (index, parent) in found.into_iter().enumerate() {
            if let Some(node) = nodes.get_mut(index) {
                node.parent = parent;
            }
            if let Some(parent) = parent.and_then(|parent| nodes.get_mut(parent)) {
                parent.children.push(index);
            }
        }
        Self { nodes }
    }

    /// Every span, in the order of their first pieces.
    pub fn places(&self) -> impl Iterator<Item = Place<'_, 'a>> {
        let ancestors = self.remote_ancestors();
        self.nodes.iter().zip(ancestors).enumerate().map(|(index, (node, remote_ancestor))| Place {
            tree: self,
            node,
            index,
            remote_ancestor,
        })
    }

    /// For each span its nearest ancestor that is part of a call or a message. Visits every span once, however long the
    /// chains are; the spans of a cycle have none.
    fn remote_ancestors(&self) -> Vec<Option<usize>> {
        #[derive(Clone, Copy)]
        enum Visit {
            Pending,
            Active,
            Done(Option<usize>),
        }
        let mut visits = vec![Visit::Pending; self.nodes.len()];
        for index in 0..self.nodes.len() {
            let mut path = Vec::new();
            let mut current = index;
            let found = loop {
                let Some(visit) = visits.get_mut(current) else { break None };
                match *visit {
                    Visit::Done(found) => break found,
                    Visit::Active => break None,
                    Visit::Pending => *visit = Visit::Active,
                }
                path.push(current);
                let Some(parent) = self.nodes.get(current).and_then(|node| node.parent) else { break None };
                if self.nodes.get(parent).is_some_and(|node| node.span.kind.is_some()) {
                    break Some(parent);
                }
                current = parent;
            };
            for step in path {
                if let Some(visit) = visits.get_mut(step) {
                    *visit = Visit::Done(found);
                }
            }
        }
        let found = |visit| if let Visit::Done(found) = visit { found } else { None };
        visits.into_iter().map(found).collect()
    }
}

impl<'t, 'a> Place<'t, 'a> {
    /// Its position among all spans.
    pub fn index(self) -> usize {
        self.index
    }

    /// The span itself.
    pub fn span(self) -> &'t Span {
        &self.node.span
    }

    /// Its parent.
    pub fn parent(self) -> Option<&'t Span> {
        self.tree.nodes.get(self.node.parent?).map(|node| &*node.span)
    }

    /// Its parent with its place, which has no ancestors of its own here.
    pub fn parent_place(self) -> Option<Self> {
        let index = self.node.parent?;
        let tree: &'t Tree<'a> = self.tree;
        Some(Place { tree, node: tree.nodes.get(index)?, index, remote_ancestor: None })
    }

    /// Its children.
    pub fn children(self) -> impl Iterator<Item = &'t Span> {
        let tree = self.tree;
        self.node.children.iter().filter_map(|index| tree.nodes.get(*index)).map(|node| &*node.span)
    }

    /// Its children, without their own ancestors.
    pub(crate) fn child_places(self) -> impl Iterator<Item = Self> {
        let tree: &'t Tree<'a> = self.tree;
        let place = move |index: &usize| {
            let node = tree.nodes.get(*index)?;
            Some(Place { tree, node, index: *index, remote_ancestor: None })
        };
        self.node.children.iter().filter_map(place)
    }

    /// Its nearest ancestor that is part of a call or a message.
    pub fn remote_ancestor(self) -> Option<&'t Span> {
        self.tree.nodes.get(self.remote_ancestor?).map(|node| &*node.span)
    }

    /// The server or consumer as part of whose work it ran: its nearest ancestor that is part of a call or a message, if
    /// that received one.
    pub(crate) fn enclosing_receiver(self) -> Option<usize> {
        let above = self.tree.nodes.get(self.remote_ancestor?)?;
        matches!(above.span.kind, Some(Kind::Server | Kind::Consumer)).then_some(self.remote_ancestor?)
    }
}

/// One node per span, its pieces joined: those with the same id, side of the call and service.
fn whole_spans<'a>(spans: impl IntoIterator<Item = &'a Span> + Clone) -> Vec<Node<'a>> {
    let mut starters: HashMap<SpanId, (bool, bool)> = HashMap::new();
    for span in spans.clone() {
        let (client, producer) = starters.entry(span.id).or_default();
        *client |= span.kind == Some(Kind::Client);
        *producer |= span.kind == Some(Kind::Producer);
    }
    let mut nodes: Vec<Node<'a>> = Vec::new();
    let mut known = HashMap::new();
    let mut pieces: HashMap<usize, Vec<&Span>> = HashMap::new();
    for span in spans {
        let (has_client, has_producer) = starters.get(&span.id).copied().unwrap_or_default();
        let is_shared = span.shared == Some(true)
            || (span.kind == Some(Kind::Server) && has_client)
            || (span.kind == Some(Kind::Consumer) && has_producer);
        let index = *known.entry((span.id, is_shared, span.service())).or_insert(nodes.len());
        if index < nodes.len() {
            pieces.entry(index).or_default().push(span);
        } else {
            nodes.push(Node { span: Cow::Borrowed(span), is_shared, parent: None, children: Vec::new() });
        }
    }
    for (index, pieces) in pieces {
        if let Some(node) = nodes.get_mut(index) {
            node.span.to_mut().absorb(&pieces);
        }
    }
    nodes
}

/// Indexes for finding parents.
struct Parents {
    own: HashMap<SpanId, usize>,
    shared: HashMap<SpanId, usize>,
    shared_by: HashMap<(SpanId, String), usize>,
}

impl Parents {
    fn of(nodes: &[Node<'_>]) -> Self {
        let mut parents = Self { own: HashMap::new(), shared: HashMap::new(), shared_by: HashMap::new() };
        for (index, node) in nodes.iter().enumerate() {
            let id = node.span.id;
            if !node.is_shared {
                parents.own.entry(id).or_insert(index);
                continue;
            }
            parents.shared.entry(id).or_insert(index);
            if let Some(service) = node.span.service() {
                parents.shared_by.entry((id, service.to_string())).or_insert(index);
            }
        }
        parents
    }

    fn parent(&self, index: usize, node: &Node<'_>) -> Option<usize> {
        let shares = node.is_shared.then(|| self.own.get(&node.span.id)).flatten();
        let parent = shares.or_else(|| {
            let id = node.span.parent_id?;
            let same_service =
                node.span.service().and_then(|service| self.shared_by.get(&(id, service.to_string())));
            same_service.or_else(|| self.own.get(&id)).or_else(|| self.shared.get(&id))
        });
        parent.copied().filter(|parent| *parent != index)
    }
}

#[cfg(test)]
mod tests;
