//! The inspector with fake stores and queues.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use octet_backends::inspect::{Pending, Sight};
use octet_topology::Topology;

use super::{super::graph::Overrides, *};

#[derive(Default)]
struct Content {
    /// `None` while it does not exist.
    documents: Option<BTreeSet<String>>,
    queued: BTreeSet<String>,
    dead_lettered: BTreeSet<String>,
    others: u64,
    sight: Option<Sight>,
    /// Stored by the consumer after the lookup in the queue.
    moves: BTreeSet<String>,
    /// Documents with another message.
    altered: BTreeSet<String>,
    unreadable: bool,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Content>>);

#[tonic::async_trait]
impl StoreInspect for Fake {
    async fn count(&self) -> Result<u64, InspectError> {
        unreachable!("not called")
    }

    async fn missing(&self, _: &[String]) -> Result<Vec<String>, InspectError> {
        unreachable!("not called")
    }

    async fn fingerprints(&self, ids: &[String]) -> Result<HashMap<String, Fingerprint>, InspectError> {
        let content = self.0.lock().unwrap();
        if content.unreadable {
            return Err(InspectError::Unavailable("database is locked".to_owned()));
        }
        let documents = content.documents.as_ref().ok_or(InspectError::Absent("file".to_owned()))?;
        let found = ids.iter().filter(|id| documents.contains(*id));
        Ok(found
            .map(|id| (id.clone(), if content.altered.contains(id) { altered() } else { stored() }))
            .collect())
    }
}

#[tonic::async_trait]
impl QueueInspect for Fake {
    fn sight(&self) -> Sight {
        self.0.lock().unwrap().sight.unwrap_or(Sight::Everything)
    }

    async fn depth(&self) -> Result<QueueDepth, InspectError> {
        let content = self.0.lock().unwrap();
        Ok(QueueDepth { ready: content.others + content.queued.len() as u64, ..QueueDepth::default() })
    }

    async fn dead_letters(&self, _: u32) -> Result<Vec<DeadLetter>, InspectError> {
        unreachable!("not called")
    }

    async fn pending(&self, ids: &[String]) -> Result<Pending, InspectError> {
        let mut content = self.0.lock().unwrap();
        let among = |set: &BTreeSet<String>| ids.iter().filter(|id| set.contains(*id)).cloned().collect();
        let pending =
            Pending { queued: among(&content.queued), dead_lettered: among(&content.dead_lettered) };
        let moved = std::mem::take(&mut content.moves);
        content.documents.get_or_insert_default().extend(moved);
        Ok(pending)
    }
}

fn stored() -> Fingerprint {
    Fingerprint::of([Some(b"a"), Some(b"Hi"), None, None])
}

fn altered() -> Fingerprint {
    Fingerprint::of([Some(b"a"), Some(b"Ho"), Some(b"2026"), None])
}

fn id(number: u8) -> GreetingId {
    GreetingId::from_bytes([number; 16])
}

fn set(numbers: &[u8]) -> BTreeSet<String> {
    numbers.iter().map(|number| id(*number).to_string()).collect()
}

fn claim(place: Place, number: u8, others: &[u8]) -> Claim {
    let others = others.iter().map(|number| (id(*number), stored()));
    Claim { place, of: 0, id: id(number), content: stored(), others: others.collect(), line: 1 }
}

/// The built-in platform over one fake; its services are A to H by index, and D's queue is queue 0.
async fn unmet(content: Content, claims: Vec<Claim>) -> anyhow::Result<Vec<(u8, State)>> {
    unmet_in(&Topology::built_in().unwrap(), content, claims).await
}

async fn unmet_in(
    topology: &Topology,
    content: Content,
    claims: Vec<Claim>,
) -> anyhow::Result<Vec<(u8, State)>> {
    let graph = Graph::new(topology, &Overrides::default());
    let fake = Fake(Arc::new(Mutex::new(content)));
    let store = |has_store: bool| has_store.then(|| Arc::new(fake.clone()) as Arc<dyn StoreInspect>);
    let stores = graph.nodes().iter().map(|node| store(node.store.is_some())).collect();
    let inspector = Inspector::with(&graph, stores, vec![Arc::new(fake.clone())]);
    let unmet = inspector.unmet(claims).await?;
    Ok(unmet.into_iter().map(|(claim, state)| (claim.id.to_bytes()[0], state)).collect())
}

const G: Place = Place::Store(6);
const QUEUE: Place = Place::Queue(0);

#[tokio::test]
async fn a_message_that_a_broker_cannot_show_may_still_be_queued() {
    let content = Content { sight: Some(Sight::DeadLetters), dead_lettered: set(&[2]), ..Content::default() };
    let found = unmet(content, vec![claim(QUEUE, 1, &[]), claim(QUEUE, 2, &[])]).await.unwrap();
    assert_eq!(found, [(2, State::DeadLettered), (1, State::Unseen)]);
}

#[tokio::test]
async fn a_stored_claim_is_met_and_one_of_several_callers_is_enough() {
    let content = Content { documents: Some(set(&[1, 2])), ..Content::default() };
    let claims = vec![
        claim(G, 3, &[]),
        claim(G, 1, &[]),
        claim(G, 4, &[2]),
        claim(G, 5, &[6]),
        // The same claim from another line.
        claim(G, 3, &[]),
    ];
    let found = unmet(content, claims).await.unwrap();
    assert_eq!(found, [(3, State::Missing), (3, State::Missing), (5, State::Missing)]);
}

#[tokio::test]
async fn a_document_with_another_content_is_altered_unless_another_candidate_is_stored() {
    let content = Content { documents: Some(set(&[1, 2, 3])), altered: set(&[1, 3]), ..Content::default() };
    let claims = vec![claim(G, 1, &[]), claim(G, 1, &[2]), claim(G, 4, &[3]), claim(QUEUE, 3, &[])];
    let found = unmet(content, claims).await.unwrap();
    let state = State::Altered("message");
    assert_eq!(found, [(1, state), (4, state), (3, state)]);
}

#[tokio::test]
async fn in_an_absent_store_everything_is_missing_and_an_unreadable_store_is_an_error() {
    let found = unmet(Content::default(), vec![claim(G, 1, &[]), claim(QUEUE, 2, &[])]).await.unwrap();
    assert_eq!(found, [(1, State::Missing), (2, State::Missing)]);

    let content = Content { unreadable: true, ..Content::default() };
    let why = unmet(content, vec![claim(G, 1, &[])]).await.expect_err("unreadable").to_string();
    assert_eq!(why, "the store of service-g cannot be read: database is locked");
}

#[tokio::test]
async fn a_message_is_stored_queued_dead_lettered_or_missing() {
    let content = Content {
        documents: Some(set(&[1, 4])),
        queued: set(&[2]),
        // 4 was stored before it was dead-lettered, so its claim is met.
        dead_lettered: set(&[3, 4]),
        ..Content::default()
    };
    let claims = (1..=5).map(|number| claim(QUEUE, number, &[])).collect();
    let found = unmet(content, claims).await.unwrap();
    // The queue holds a message that may be 5: a broker may not show it.
    assert_eq!(found, [(2, State::Queued), (3, State::DeadLettered), (5, State::Unseen)]);
}

#[tokio::test]
async fn a_message_that_moves_between_two_lookups_is_found() {
    let content = Content { moves: set(&[1]), others: 7, ..Content::default() };
    assert_eq!(unmet(content, vec![claim(QUEUE, 1, &[])]).await.unwrap(), []);
}

#[tokio::test]
async fn without_a_consumer_a_queued_message_meets_its_claim() {
    let topology = r#"
        entry = "a"
        [[service]]
        name = "a"
        greeting = "Hi"
        publishes = "trail"
    "#;
    let topology = Topology::parse(topology, "test").unwrap();
    let content = Content { queued: set(&[1]), dead_lettered: set(&[2]), ..Content::default() };
    let claims = (1..=3).map(|number| claim(QUEUE, number, &[])).collect();
    let found = unmet_in(&topology, content, claims).await.unwrap();
    assert_eq!(found, [(2, State::DeadLettered), (3, State::Unseen)]);
}
