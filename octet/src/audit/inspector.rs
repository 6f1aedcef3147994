//! Looks up claims in the stores and queues of a topology.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use octet_backends::{
    OpenError,
    inspect::{DeadLetter, Fingerprint, InspectError, QueueDepth, QueueInspect, Sight, StoreInspect},
};
use octet_greeting::Connections;

use super::{
    claims::Claim,
    graph::{Graph, Place},
    id::GreetingId,
};
use crate::failure::Failure;

/// The state of a claim that is not met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// On the queue; no consumer has stored it yet.
    Queued,
    /// Among the dead letters of the queue.
    DeadLettered,
    /// Not found, but it may be one of the messages of its queue that cannot be inspected.
    Unseen,
    /// Not found.
    Missing,
    /// Stored, but this field differs from that of the answer.
    Altered(&'static str),
}

/// Reads every store and queue.
pub(super) struct Inspector {
    /// By service; `None` for a service without a store.
    stores: Vec<Option<Arc<dyn StoreInspect>>>,
    queues: Vec<InspectedQueue>,
    names: Vec<String>,
}

struct InspectedQueue {
    name: String,
    consumers: Vec<usize>,
    inspect: Arc<dyn QueueInspect>,
}

impl Inspector {
    pub(super) async fn open(graph: &Graph, connections: &Connections) -> Result<Self, Failure> {
        let refused =
            |variable: &str, error: &OpenError| Failure::Configuration(format!("{variable}: {error}"));
        let (store_connection, queue_connection) = (&connections.store, &connections.queue);
        let mut stores = Vec::new();
        for node in graph.nodes() {
            stores.push(match &node.store {
                Some(store) => {
                    let opened = store_connection.inspect(store).await;
                    Some(opened.map_err(|error| refused(store_connection.variable(), &error))?)
                }
                None => None,
            });
        }
        let mut queues = Vec::new();
        for queue in graph.queues() {
            let opened = queue_connection.inspect(&queue.name).await;
            queues.push(opened.map_err(|error| refused(queue_connection.variable(), &error))?);
        }
        Ok(Self::with(graph, stores, queues))
    }

    fn with(
        graph: &Graph,
        stores: Vec<Option<Arc<dyn StoreInspect>>>,
        queues: Vec<Arc<dyn QueueInspect>>,
    ) -> Self {
        let queues = graph.queues().iter().zip(queues).map(|(queue, inspect)| InspectedQueue {
            name: queue.name.to_string(),
            consumers: queue.consumers.clone(),
            inspect,
        });
        let names = graph.nodes().iter().map(|node| node.name.clone());
        Self { stores, queues: queues.collect(), names: names.collect() }
    }

    /// The number of a service's documents; `Err` with the name of what does not exist yet.
    pub(super) async fn documents(&self, service: usize) -> anyhow::Result<Result<u64, String>> {
        let Some(Some(store)) = self.stores.get(service) else { return Ok(Ok(0)) };
        unless_absent(store.count().await).map_err(|why| self.unreadable_store(service, &why))
    }

    /// The counts of a queue; `Err` with the name of what does not exist yet.
    pub(super) async fn depth(&self, queue: usize) -> anyhow::Result<Result<QueueDepth, String>> {
        let Some(queue) = self.queues.get(queue) else { return Ok(Ok(QueueDepth::default())) };
        unless_absent(queue.inspect.depth().await).map_err(|why| unreadable_queue(queue, &why))
    }

    /// Which messages of a queue can be inspected.
    pub(super) fn sight(&self, queue: usize) -> Sight {
        self.queues.get(queue).map_or(Sight::Everything, |queue| queue.inspect.sight())
    }

    /// Up to `limit` dead letters of a queue, newest first.
    pub(super) async fn dead_letters(&self, queue: usize, limit: u32) -> anyhow::Result<Vec<DeadLetter>> {
        let Some(queue) = self.queues.get(queue) else { return Ok(Vec::new()) };
        let letters = unless_absent(queue.inspect.dead_letters(limit).await);
        Ok(letters.map_err(|why| unreadable_queue(queue, &why))?.unwrap_or_default())
    }

    /// The claims that are not met now, with their state.
    pub(super) async fn unmet(&self, mut claims: Vec<Claim>) -> anyhow::Result<Vec<(Claim, State)>> {
        // Sorted, since neighbours in the index of a store are read together.
        claims.sort_unstable_by_key(|claim| (claim.place, claim.id));
        let mut unmet = Vec::new();
        for claims in claims.chunk_by(|one, other| one.place == other.place) {
            match claims.first().map(|claim| claim.place) {
                Some(Place::Store(service)) => {
                    let missing = self.not_in_store(service, claims.to_vec(), &mut unmet).await?;
                    unmet.extend(missing.into_iter().map(|claim| (claim, State::Missing)));
                }
                Some(Place::Queue(queue)) => {
                    if let Some(queue) = self.queues.get(queue) {
                        self.not_through_queue(queue, claims.to_vec(), &mut unmet).await?;
                    }
                }
                None => {}
            }
        }
        Ok(unmet)
    }

    /// Adds the claims whose message is not a document of a consumer to `unmet`.
    async fn not_through_queue(
        &self,
        queue: &InspectedQueue,
        claims: Vec<Claim>,
        unmet: &mut Vec<(Claim, State)>,
    ) -> anyhow::Result<()> {
        let claims = self.not_in_a_store_of(queue, claims, unmet).await?;
        if claims.is_empty() {
            return Ok(());
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
        // A message may have moved from the queue into the store between the two lookups.
        let unseen = self.not_in_a_store_of(queue, unseen, unmet).await?;

        let is_unconsumed = queue.consumers.is_empty();
        let state = |claim: &Claim| match queued.contains(&claim.id) {
            true if is_unconsumed => None,
            true => Some(State::Queued),
            false => Some(State::DeadLettered),
        };
        let seen = seen.into_iter().filter_map(|claim| state(&claim).map(|state| (claim, state)));
        let may_hold_it =
            depth.ready.saturating_add(depth.leased) > 0 || queue.inspect.sight() != Sight::Everything;
        let not_found = if may_hold_it { State::Unseen } else { State::Missing };
        unmet.extend(seen.chain(unseen.into_iter().map(|claim| (claim, not_found))));
        Ok(())
    }

    /// The claims that no consumer of the queue has stored. Adds claims that are stored with other content to `unmet`.
    async fn not_in_a_store_of(
        &self,
        queue: &InspectedQueue,
        mut claims: Vec<Claim>,
        unmet: &mut Vec<(Claim, State)>,
    ) -> anyhow::Result<Vec<Claim>> {
        for consumer in &queue.consumers {
            claims = self.not_in_store(*consumer, claims, unmet).await?;
        }
        Ok(claims)
    }

    /// The claims that the service has not stored. Adds claims that are stored with other content to `unmet`.
    async fn not_in_store(
        &self,
        service: usize,
        claims: Vec<Claim>,
        unmet: &mut Vec<(Claim, State)>,
    ) -> anyhow::Result<Vec<Claim>> {
        let Some(Some(store)) = self.stores.get(service) else { return Ok(claims) };
        if claims.is_empty() {
            return Ok(claims);
        }
        let found = match store.fingerprints(&texts(&claims)).await {
            Ok(found) => found,
            Err(InspectError::Absent(_)) => return Ok(claims),
            Err(why) => return Err(self.unreadable_store(service, &why)),
        };
        let found: HashMap<GreetingId, Fingerprint> =
            found.into_iter().filter_map(|(id, content)| Some((id.parse().ok()?, content))).collect();
        let mut missing = Vec::new();
        for claim in claims {
            let candidates = std::iter::once((claim.id, claim.content)).chain(claim.others.iter().copied());
            let stored = candidates.filter_map(|(id, content)| Some(found.get(&id)?.difference(&content)));
            // One candidate with the content of the answer is enough.
            match stored.min_by_key(Option::is_some) {
                None => missing.push(claim),
                Some(None) => {}
                Some(Some(field)) => unmet.push((claim, State::Altered(field))),
            }
        }
        Ok(missing)
    }

    fn unreadable_store(&self, service: usize, why: &InspectError) -> anyhow::Error {
        let service = self.names.get(service).map_or("?", String::as_str);
        anyhow::anyhow!("the store of {service} {why}")
    }
}

fn unreadable_queue(queue: &InspectedQueue, why: &InspectError) -> anyhow::Error {
    anyhow::anyhow!("the queue {} {why}", queue.name)
}

/// A store or queue that does not exist yet is empty; that is not an error.
fn unless_absent<T>(result: Result<T, InspectError>) -> Result<Result<T, String>, InspectError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(InspectError::Absent(what)) => Ok(Err(what)),
        Err(unavailable) => Err(unavailable),
    }
}

fn texts(claims: &[Claim]) -> Vec<String> {
    let ids = claims
        .iter()
        .flat_map(|claim| std::iter::once(&claim.id).chain(claim.others.iter().map(|(id, _)| id)));
    ids.map(ToString::to_string).collect()
}

/// Inspectors return ids that they were given, so every text is an id.
fn ids(texts: &[String]) -> HashSet<GreetingId> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests;
