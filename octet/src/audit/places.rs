//! The stores and queues of a topology, and whether what is claimed is in them.

use std::{collections::HashSet, sync::Arc};

use octet_backends::{
    OpenError,
    inspect::{DeadLetter, InspectError, QueueDepth, QueueInspect, Sight, StoreInspect},
};
use octet_greeting::Connections;

use super::{
    claims::{Claim, Place},
    graph::Graph,
    id::GreetingId,
};
use crate::failure::Failure;

/// What came of a claim that is not simply true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// On the queue whose consumers have not stored it yet.
    OnItsWay,
    /// Given up by the queue.
    DeadLettered,
    /// Nowhere to be seen, but its queue holds messages that cannot all be seen: it may still be one of them.
    Unseen,
    /// Nowhere.
    Missing,
}

/// Looks into every store and queue, whatever is behind it.
pub(super) struct Places {
    /// By service; `None` where one does not store.
    stores: Vec<Option<Arc<dyn StoreInspect>>>,
    queues: Vec<QueuePlace>,
    names: Vec<String>,
}

struct QueuePlace {
    name: String,
    consumers: Vec<usize>,
    inspect: Arc<dyn QueueInspect>,
}

impl Places {
    pub(super) async fn open(graph: &Graph, connections: &Connections) -> Result<Self, Failure> {
        let refused =
            |variable: &str, error: &OpenError| Failure::Configuration(format!("{variable}: {error}"));
        let (store_place, queue_place) = (&connections.store, &connections.queue);
        let mut stores = Vec::new();
        for node in graph.nodes() {
            stores.push(match &node.store {
                Some(store) => {
                    let opened = store_place.inspect(store).await;
                    Some(opened.map_err(|error| refused(store_place.variable(), &error))?)
                }
                None => None,
            });
        }
        let mut queues = Vec::new();
        for queue in graph.queues() {
            let opened = queue_place.inspect(&queue.name).await;
            queues.push(opened.map_err(|error| refused(queue_place.variable(), &error))?);
        }
        Ok(Self::with(graph, stores, queues))
    }

    fn with(
        graph: &Graph,
        stores: Vec<Option<Arc<dyn StoreInspect>>>,
        queues: Vec<Arc<dyn QueueInspect>>,
    ) -> Self {
        let queues = graph.queues().iter().zip(queues).map(|(queue, inspect)| QueuePlace {
            name: queue.name.to_string(),
            consumers: queue.consumers.clone(),
            inspect,
        });
        let names = graph.nodes().iter().map(|node| node.name.clone());
        Self { stores, queues: queues.collect(), names: names.collect() }
    }

    /// How many documents a service has; `Err` says what does not exist yet.
    pub(super) async fn documents(&self, service: usize) -> anyhow::Result<Result<u64, String>> {
        let Some(Some(store)) = self.stores.get(service) else { return Ok(Ok(0)) };
        unless_absent(store.count().await).map_err(|why| self.unreadable_store(service, &why))
    }

    /// A queue's counts; `Err` says what does not exist yet.
    pub(super) async fn depth(&self, queue: usize) -> anyhow::Result<Result<QueueDepth, String>> {
        let Some(queue) = self.queues.get(queue) else { return Ok(Ok(QueueDepth::default())) };
        unless_absent(queue.inspect.depth().await).map_err(|why| unreadable_queue(queue, &why))
    }

    /// How much of a queue can be seen.
    pub(super) fn sight(&self, queue: usize) -> Sight {
        self.queues.get(queue).map_or(Sight::Everything, |queue| queue.inspect.sight())
    }

    /// A queue's newest dead letters, newest first.
    pub(super) async fn dead_letters(&self, queue: usize, most: u32) -> anyhow::Result<Vec<DeadLetter>> {
        let Some(queue) = self.queues.get(queue) else { return Ok(Vec::new()) };
        let letters = unless_absent(queue.inspect.dead_letters(most).await);
        Ok(letters.map_err(|why| unreadable_queue(queue, &why))?.unwrap_or_default())
    }

    /// Those of `claims` that are not true now, and what came of them.
    pub(super) async fn doubt(&self, mut claims: Vec<Claim>) -> anyhow::Result<Vec<(Claim, Fate)>> {
        // In order, because neighbours in a store's index are found together.
        claims.sort_unstable_by_key(|claim| (claim.place, claim.id));
        let mut doubtful = Vec::new();
        for claims in claims.chunk_by(|one, other| one.place == other.place) {
            match claims.first().map(|claim| claim.place) {
                Some(Place::Store(service)) => {
                    let missing = self.not_in_store(service, claims.to_vec()).await?;
                    doubtful.extend(missing.into_iter().map(|claim| (claim, Fate::Missing)));
                }
                Some(Place::Queue(queue)) => {
                    if let Some(queue) = self.queues.get(queue) {
                        doubtful.extend(self.not_through_queue(queue, claims.to_vec()).await?);
                    }
                }
                None => {}
            }
        }
        Ok(doubtful)
    }

    /// Those whose message has not become a document.
    async fn not_through_queue(
        &self,
        queue: &QueuePlace,
        claims: Vec<Claim>,
    ) -> anyhow::Result<Vec<(Claim, Fate)>> {
        let claims = self.not_in_a_store_of(queue, claims).await?;
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let unreadable = |why: InspectError| unreadable_queue(queue, &why);
        let depth = unless_absent(queue.inspect.depth().await).map_err(unreadable)?.unwrap_or_default();
        let pending = unless_absent(queue.inspect.pending(&texts(&claims)).await).map_err(unreadable)?;
        let pending = pending.unwrap_or_default();
        let queued = ids(&pending.queued);
        let dead_lettered = ids(&pending.dead_lettered);

        let (seen, unseen): (Vec<_>, Vec<_>) = claims
            .into_iter()
            .partition(|claim| queued.contains(&claim.id) || dead_lettered.contains(&claim.id));
        // A message may have gone from the queue into the store between the two looks.
        let unseen = self.not_in_a_store_of(queue, unseen).await?;

        let is_last_stop = queue.consumers.is_empty();
        let fate = |claim: &Claim| match queued.contains(&claim.id) {
            true if is_last_stop => None,
            true => Some(Fate::OnItsWay),
            false => Some(Fate::DeadLettered),
        };
        let seen = seen.into_iter().filter_map(|claim| fate(&claim).map(|fate| (claim, fate)));
        let may_hold_it =
            depth.ready.saturating_add(depth.leased) > 0 || queue.inspect.sight() != Sight::Everything;
        let nowhere = if may_hold_it { Fate::Unseen } else { Fate::Missing };
        Ok(seen.chain(unseen.into_iter().map(|claim| (claim, nowhere))).collect())
    }

    /// Those that none of the queue's consumers has stored.
    async fn not_in_a_store_of(
        &self,
        queue: &QueuePlace,
        mut claims: Vec<Claim>,
    ) -> anyhow::Result<Vec<Claim>> {
        for consumer in &queue.consumers {
            claims = self.not_in_store(*consumer, claims).await?;
        }
        Ok(claims)
    }

    async fn not_in_store(&self, service: usize, claims: Vec<Claim>) -> anyhow::Result<Vec<Claim>> {
        let Some(Some(store)) = self.stores.get(service) else { return Ok(claims) };
        if claims.is_empty() {
            return Ok(claims);
        }
        let missing = match store.missing(&texts(&claims)).await {
            Ok(missing) => ids(&missing),
            Err(InspectError::Absent(_)) => return Ok(claims),
            Err(why) => return Err(self.unreadable_store(service, &why)),
        };
        let is_missing = |claim: &Claim| {
            missing.contains(&claim.id) && claim.others.iter().all(|other| missing.contains(other))
        };
        Ok(claims.into_iter().filter(is_missing).collect())
    }

    fn unreadable_store(&self, service: usize, why: &InspectError) -> anyhow::Error {
        let service = self.names.get(service).map_or("?", String::as_str);
        anyhow::anyhow!("the store of {service} {why}")
    }
}

fn unreadable_queue(queue: &QueuePlace, why: &InspectError) -> anyhow::Error {
    anyhow::anyhow!("the queue {} {why}", queue.name)
}

/// What does not exist holds nothing, and that is an answer.
fn unless_absent<T>(answer: Result<T, InspectError>) -> Result<Result<T, String>, InspectError> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(InspectError::Absent(what)) => Ok(Err(what)),
        Err(unavailable) => Err(unavailable),
    }
}

fn texts(claims: &[Claim]) -> Vec<String> {
    let ids = claims.iter().flat_map(|claim| std::iter::once(&claim.id).chain(&claim.others));
    ids.map(ToString::to_string).collect()
}

/// The inspectors answer with what they were asked, so every text is an id.
fn ids(texts: &[String]) -> HashSet<GreetingId> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests;
