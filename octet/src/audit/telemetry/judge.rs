//! Compares the spans of one trace with those that its answer claims.
//!
//! Three observations show a lost span: the answer claims it, a span that is there names it as its parent, or a call
//! succeeded that nobody served. Where calls were repeated, a trace has more spans than the answer claims, and only the
//! other two observations count.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use octet_zipkin::{Kind, Span, SpanId};

use super::{
    super::graph::Graph,
    expected::Expected,
    label::{End, Label},
    nodes::{Above, Node, Nodes, count, label},
};

/// What is wrong with one span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// It did not arrive; its id where another span names it.
    Lost(Option<SpanId>),
    /// It arrived this often more than once.
    Doubled(SpanId, u64),
    /// Its parent is not the one that the answer claims.
    WrongParent(SpanId, Option<SpanId>),
}

/// The findings in one trace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// Sorted.
    pub(super) faults: Vec<(Label, Fault)>,
    /// How many spans each label has.
    pub(super) spans: BTreeMap<Label, u64>,
    /// Calls that were tried again, whose failed attempts nobody knows to have been served.
    pub(super) retried: u64,
    /// Spans that are not judged.
    pub(super) others: u64,
}

/// The trace has further requests, so that it is unknown which spans belong to this one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SharedTrace;

/// Judges the trace of an answer, whose first span is `root`.
pub(super) fn judge(
    graph: &Graph,
    expected: &Expected,
    root: SpanId,
    spans: &[Span],
) -> Result<Judged, SharedTrace> {
    let nodes = Nodes::of(graph, spans);
    if nodes.all.iter().any(|node| node.label.to == End::Gateway && node.id != root) {
        return Err(SharedTrace);
    }
    let mut judge = Judge::new(graph, expected, root, &nodes.all);
    judge.count();
    judge.find_parents();
    judge.judge_senders();
    judge.judge_receivers();
    judge.judge_stores();
    let mut faults = judge.faults;
    faults.extend(doubled(graph, spans));
    faults.sort_unstable();
    Ok(Judged {
        faults,
        spans: judge.actual,
        retried: nodes.all.iter().map(|node| node.retries).sum(),
        others: nodes.others,
    })
}

/// Spans that were reported in whole more than once. Reports of parts of a span are joined.
fn doubled(graph: &Graph, spans: &[Span]) -> Vec<(Label, Fault)> {
    let mut whole: HashMap<_, (Label, u64)> = HashMap::new();
    for span in spans.iter().filter(|span| span.timestamp > 0 && span.duration > 0) {
        if let Some((_, label)) = label(graph, span) {
            let (_, times) = whole.entry((span.id, span.kind, span.service())).or_insert((label, 0));
            *times += 1;
        }
    }
    let twice = whole.into_iter().filter(|(_, (_, times))| *times > 1);
    twice.map(|((id, ..), (label, times))| (label, Fault::Doubled(id, times - 1))).collect()
}

struct Judge<'a> {
    graph: &'a Graph,
    expected: &'a Expected,
    root: SpanId,
    nodes: &'a [Node],
    actual: BTreeMap<Label, u64>,
    faults: Vec<(Label, Fault)>,
    /// The missing parents by the label that they had: senders. With the spans that name them.
    senders: BTreeMap<Label, BTreeMap<SpanId, Vec<usize>>>,
    /// The missing parents of what a process did: its receivers.
    receivers: BTreeMap<End, BTreeMap<SpanId, Vec<usize>>>,
    /// The senders that succeeded, and that no receiver names.
    unanswered: BTreeMap<Label, u64>,
    /// Lost senders by whom they called.
    lost_to: BTreeMap<End, u64>,
    /// The indexes of spans with a wrong parent.
    wrong: BTreeSet<usize>,
}

impl<'a> Judge<'a> {
    fn new(graph: &'a Graph, expected: &'a Expected, root: SpanId, nodes: &'a [Node]) -> Self {
        Self {
            graph,
            expected,
            root,
            nodes,
            actual: BTreeMap::new(),
            faults: Vec::new(),
            senders: BTreeMap::new(),
            receivers: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            lost_to: BTreeMap::new(),
            wrong: BTreeSet::new(),
        }
    }

    fn count(&mut self) {
        for node in self.nodes {
            *self.actual.entry(node.label).or_default() += 1;
        }
    }

    /// Sorts the spans by what is above them.
    fn find_parents(&mut self) {
        let mut answered = BTreeSet::new();
        for (index, node) in self.nodes.iter().enumerate() {
            if node.label.to == End::Gateway {
                // The root: what is above it is outside.
                continue;
            }
            match node.above {
                Above::Node(above) => {
                    if self.nodes.get(above).is_some_and(|above| is_parent(above, node)) {
                        answered.insert(above);
                    } else {
                        self.add_wrong(index);
                    }
                }
                Above::Nothing => self.add_wrong(index),
                Above::Proxy => {}
                Above::Missing(id) => self.add_missing(index, node, id),
            }
        }
        let is_proxied = self.nodes.iter().any(|node| node.above == Above::Proxy);
        for (index, node) in self.nodes.iter().enumerate() {
            let is_sender = matches!(node.label.to, End::Service(_) | End::Queue(_))
                && matches!(node.label.side, Kind::Client | Kind::Producer);
            let is_consumed = match node.label.to {
                End::Queue(queue) => self.has_consumers(queue),
                _ => !is_proxied,
            };
            if is_sender && is_consumed && node.is_ok && !answered.contains(&index) {
                *self.unanswered.entry(node.label).or_default() += 1;
            }
        }
        // A receiver with a wrong parent was called by one of those that nobody names.
        for node in self.wrong.iter().filter_map(|index| self.nodes.get(*index)) {
            let is_its_sender = |label: &Label| match node.label.side {
                Kind::Server => *label == Label { side: Kind::Client, ..node.label },
                Kind::Consumer => label.to == node.label.from,
                Kind::Client | Kind::Producer => false,
            };
            let sender =
                self.unanswered.iter_mut().find(|(label, number)| is_its_sender(label) && **number > 0);
            if let Some((_, number)) = sender {
                *number -= 1;
            }
        }
    }

    fn has_consumers(&self, queue: usize) -> bool {
        self.graph.queues().get(queue).is_some_and(|queue| !queue.consumers.is_empty())
    }

    fn add_missing(&mut self, index: usize, node: &Node, id: SpanId) {
        let Label { from, to, side } = node.label;
        let kids = match (side, from) {
            (Kind::Server, _) => {
                let sender = Label::new(from, to, Kind::Client);
                self.senders.entry(sender).or_default().entry(id)
            }
            (Kind::Consumer, End::Queue(queue)) => {
                let mut publishers =
                    (0..).zip(self.graph.nodes()).filter(|(_, node)| node.publishes == Some(queue));
                let publisher = match (publishers.next(), publishers.next()) {
                    (Some((publisher, _)), None) => End::Service(publisher),
                    _ => End::Unknown,
                };
                let sender = Label::new(publisher, from, Kind::Producer);
                self.senders.entry(sender).or_default().entry(id)
            }
            _ => self.receivers.entry(node.owner).or_default().entry(id),
        };
        kids.or_default().push(index);
    }

    fn add_wrong(&mut self, index: usize) {
        if let Some(node) = self.nodes.get(index)
            && self.wrong.insert(index)
        {
            self.faults.push((node.label, Fault::WrongParent(node.id, node.parent_id)));
        }
    }

    /// The spans that the answer claims and that are not there.
    fn absent(&self, label: &Label) -> u64 {
        let expected = self.expected.spans.get(label).copied().unwrap_or_default();
        expected.saturating_sub(self.actual.get(label).copied().unwrap_or_default())
    }

    fn add_lost(&mut self, label: Label, number: u64, ids: &mut impl Iterator<Item = SpanId>) {
        for _ in 0..number {
            self.faults.push((label, Fault::Lost(ids.next())));
        }
    }

    /// Clients of calls and publishers. A process makes one span for each call, however often it is tried.
    fn judge_senders(&mut self) {
        let is_sender = |label: &Label| {
            !matches!(label.to, End::Store(_)) && matches!(label.side, Kind::Client | Kind::Producer)
        };
        let mut labels: BTreeSet<Label> = self.expected.spans.keys().copied().filter(is_sender).collect();
        labels.extend(self.senders.keys());
        for label in labels {
            let absent = self.absent(&label);
            let missing = self.senders.remove(&label).unwrap_or_default();
            let missing = by_children(missing);
            // A receiver that names an unknown parent, beside a sender that nobody names: they belong together.
            let excess = count(missing.len()).saturating_sub(absent);
            let unanswered = self.unanswered.get(&label).copied().unwrap_or_default();
            let wrong = excess.min(unanswered);
            if let Some(unanswered) = self.unanswered.get_mut(&label) {
                *unanswered -= wrong;
            }
            let lost = absent.max(count(missing.len()) - wrong);
            self.drop_wrong(&missing, lost);
            self.add_lost(label, lost, &mut missing.iter().map(|(id, _)| *id));
            *self.lost_to.entry(label.to).or_default() += lost;
        }
    }

    /// All children of missing parents beyond the first `lost` ones name a parent that never was.
    fn drop_wrong(&mut self, missing: &[(SpanId, Vec<usize>)], lost: u64) {
        for (_, kids) in missing.iter().skip(usize::try_from(lost).unwrap_or(usize::MAX)) {
            for kid in kids {
                self.add_wrong(*kid);
            }
        }
    }

    /// Servers and consumers.
    fn judge_receivers(&mut self) {
        let root = Label::new(End::Outside, End::Gateway, Kind::Server);
        let missing = self.receivers.remove(&End::Gateway).unwrap_or_default();
        for (id, kids) in missing {
            if id != self.root {
                for kid in kids {
                    self.add_wrong(kid);
                }
            }
        }
        if self.absent(&root) > 0 {
            self.faults.push((root, Fault::Lost(Some(self.root))));
        }

        let mut lost: BTreeMap<End, Vec<(Label, u64)>> = BTreeMap::new();
        for label in self.receiving_labels() {
            let sender = match (label.side, label.from) {
                (Kind::Consumer, queue) => self.unanswered_on(queue),
                _ => self.unanswered.get(&Label { side: Kind::Client, ..label }).copied().unwrap_or_default(),
            };
            let number = self.absent(&label).max(sender);
            lost.entry(label.to).or_default().push((label, number));
        }
        let owners: BTreeSet<End> = lost.keys().chain(self.receivers.keys()).copied().collect();
        for owner in owners {
            let labels = lost.remove(&owner).unwrap_or_default();
            let missing = by_children(self.receivers.remove(&owner).unwrap_or_default());
            let number: u64 = labels.iter().map(|(_, number)| number).sum();
            // Beyond that, attempts of repeated calls and repeated deliveries can be lost.
            let excess = count(missing.len()).saturating_sub(number);
            let more = excess.min(self.further_attempts(owner, number));
            self.drop_wrong(&missing, number + more);
            let mut ids = missing.iter().map(|(id, _)| *id);
            for (label, number) in &labels {
                self.add_lost(*label, *number, &mut ids);
            }
            let label = match labels.as_slice() {
                [(label, _)] => *label,
                _ => Label::new(End::Unknown, owner, Kind::Server),
            };
            self.add_lost(label, more, &mut ids);
        }
    }

    /// The labels of servers and consumers, beside the gateway's own.
    fn receiving_labels(&self) -> BTreeSet<Label> {
        let is_receiver = |label: &&Label| {
            matches!(label.to, End::Service(_)) && matches!(label.side, Kind::Server | Kind::Consumer)
        };
        let known = self.expected.spans.keys().chain(self.actual.keys()).filter(is_receiver).copied();
        let answers = self.unanswered.keys().filter_map(|label| match label.side {
            Kind::Client => Some(Label { side: Kind::Server, ..*label }),
            _ => None,
        });
        let queues = self.unanswered.keys().filter_map(|label| match label.to {
            End::Queue(queue) => {
                let consumers = self.graph.queues().get(queue).map(|queue| queue.consumers.as_slice());
                let consumer = match consumers {
                    Some([consumer]) => End::Service(*consumer),
                    _ => End::Unknown,
                };
                Some(Label::new(label.to, consumer, Kind::Consumer))
            }
            _ => None,
        });
        known.chain(answers).chain(queues).collect()
    }

    fn unanswered_on(&self, queue: End) -> u64 {
        self.unanswered.iter().filter(|(label, _)| label.to == queue).map(|(_, number)| number).sum()
    }

    /// How many spans of `owner` can be missing beside `lost` ones: as many as there were attempts to call it. Of a consumer
    /// any number: a message is delivered until it is settled.
    fn further_attempts(&self, owner: End, lost: u64) -> u64 {
        let End::Service(service) = owner else { return 0 };
        let is_consumer = self.graph.queues().iter().any(|queue| queue.consumers.contains(&service));
        let calls =
            self.nodes.iter().filter(|node| node.label.side == Kind::Client && node.label.to == owner);
        let made: u64 = calls.map(|node| 1 + node.retries).sum();
        let of = |side| move |node: &&Node| node.owner == owner && node.label.side == side;
        if is_consumer && made == 0 {
            // Only if each consumer that is there has stored its message: otherwise the store's span belongs to it.
            let is_childless = |index: usize| {
                !self.nodes.iter().any(|node| node.owner == owner && node.above == Above::Node(index))
            };
            let mut consumers = self.nodes.iter().enumerate().filter(|(_, node)| of(Kind::Consumer)(node));
            return if consumers.any(|(index, _)| is_childless(index)) { 0 } else { u64::MAX };
        }
        let made = made + self.lost_to.get(&owner).copied().unwrap_or_default();
        let served = count(self.nodes.iter().filter(of(Kind::Server)).count());
        made.saturating_sub(served).saturating_sub(lost)
    }

    /// Each receiver that succeeded has stored what it received.
    fn judge_stores(&mut self) {
        for (service, node) in self.graph.nodes().iter().enumerate() {
            if node.store.is_none() {
                continue;
            }
            let owner = End::Service(service);
            let label = Label::new(owner, End::Store(service), Kind::Client);
            let has_stored = |index: usize| {
                self.nodes.iter().any(|node| node.label == label && node.above == Above::Node(index))
            };
            let servers = self.nodes.iter().enumerate().filter(|(index, node)| {
                node.owner == owner && node.label.side == Kind::Server && node.is_ok && !has_stored(*index)
            });
            let wrong = self.wrong.iter().filter_map(|index| self.nodes.get(*index));
            let wrong = count(wrong.filter(|node| node.label == label).count());
            let lost = self.absent(&label).max(count(servers.count()).saturating_sub(wrong));
            self.add_lost(label, lost, &mut std::iter::empty());
        }
    }
}

/// Whether `above` can be the parent of `node`.
fn is_parent(above: &Node, node: &Node) -> bool {
    match node.label.side {
        Kind::Server => above.label.side == Kind::Client && above.label.to == node.label.to,
        Kind::Consumer => above.label.side == Kind::Producer && above.label.to == node.label.from,
        Kind::Client | Kind::Producer => {
            above.owner == node.owner && matches!(above.label.side, Kind::Server | Kind::Consumer)
        }
    }
}

/// Missing parents, the one with most children first.
fn by_children(missing: BTreeMap<SpanId, Vec<usize>>) -> Vec<(SpanId, Vec<usize>)> {
    let mut missing: Vec<_> = missing.into_iter().collect();
    missing.sort_by_key(|(_, kids)| std::cmp::Reverse(kids.len()));
    missing
}

#[cfg(test)]
mod tests;
