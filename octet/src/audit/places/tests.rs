//! Looks at stores and queues that do what a test says.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use octet_backends::inspect::{Pending, Sight};
use octet_topology::Topology;

use super::{super::graph::Overrides, *};

#[derive(Default)]
struct Held {
    /// `None` while it does not exist.
    documents: Option<BTreeSet<String>>,
    queued: BTreeSet<String>,
    dead_lettered: BTreeSet<String>,
    others: u64,
    sight: Option<Sight>,
    /// Stored by the consumer after the look at the queue.
    moves: BTreeSet<String>,
    unreadable: bool,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Held>>);

#[tonic::async_trait]
impl StoreInspect for Fake {
    async fn count(&self) -> Result<u64, InspectError> {
        unreachable!("nobody asks")
    }

    async fn missing(&self, ids: &[String]) -> Result<Vec<String>, InspectError> {
        let held = self.0.lock().unwrap();
        if held.unreadable {
            return Err(InspectError::Unavailable("database is locked".to_owned()));
        }
        let documents = held.documents.as_ref().ok_or(InspectError::Absent("file".to_owned()))?;
        Ok(ids.iter().filter(|id| !documents.contains(*id)).cloned().collect())
    }
}

#[tonic::async_trait]
impl QueueInspect for Fake {
    fn sight(&self) -> Sight {
        self.0.lock().unwrap().sight.unwrap_or(Sight::Everything)
    }

    async fn depth(&self) -> Result<QueueDepth, InspectError> {
        let held = self.0.lock().unwrap();
        Ok(QueueDepth { ready: held.others + held.queued.len() as u64, ..QueueDepth::default() })
    }

    async fn dead_letters(&self, _: u32) -> Result<Vec<DeadLetter>, InspectError> {
        unreachable!("nobody asks")
    }

    async fn pending(&self, ids: &[String]) -> Result<Pending, InspectError> {
        let mut held = self.0.lock().unwrap();
        let among = |set: &BTreeSet<String>| ids.iter().filter(|id| set.contains(*id)).cloned().collect();
        let pending = Pending { queued: among(&held.queued), dead_lettered: among(&held.dead_lettered) };
        let moved = std::mem::take(&mut held.moves);
        held.documents.get_or_insert_default().extend(moved);
        Ok(pending)
    }
}

fn id(number: u8) -> GreetingId {
    GreetingId::from_bytes([number; 16])
}

fn set(numbers: &[u8]) -> BTreeSet<String> {
    numbers.iter().map(|number| id(*number).to_string()).collect()
}

fn claim(place: Place, number: u8, others: &[u8]) -> Claim {
    Claim { place, of: 0, id: id(number), others: others.iter().copied().map(id).collect(), line: 1 }
}

/// The built-in platform over one fake; its services are A to H by index, and D's queue is queue 0.
async fn doubt(held: Held, claims: Vec<Claim>) -> anyhow::Result<Vec<(u8, Fate)>> {
    doubt_in(&Topology::built_in().unwrap(), held, claims).await
}

async fn doubt_in(topology: &Topology, held: Held, claims: Vec<Claim>) -> anyhow::Result<Vec<(u8, Fate)>> {
    let graph = Graph::new(topology, &Overrides::default());
    let fake = Fake(Arc::new(Mutex::new(held)));
    let store = |has_store: bool| has_store.then(|| Arc::new(fake.clone()) as Arc<dyn StoreInspect>);
    let stores = graph.nodes().iter().map(|node| store(node.store.is_some())).collect();
    let places = Places::with(&graph, stores, vec![Arc::new(fake.clone())]);
    let doubtful = places.doubt(claims).await?;
    Ok(doubtful.into_iter().map(|(claim, fate)| (claim.id.to_bytes()[0], fate)).collect())
}

const G: Place = Place::Store(6);
const QUEUE: Place = Place::Queue(0);

#[tokio::test]
async fn what_a_broker_cannot_show_may_still_be_on_its_way() {
    let held = Held { sight: Some(Sight::DeadLetters), dead_lettered: set(&[2]), ..Held::default() };
    let doubtful = doubt(held, vec![claim(QUEUE, 1, &[]), claim(QUEUE, 2, &[])]).await.unwrap();
    assert_eq!(doubtful, [(2, Fate::DeadLettered), (1, Fate::Unseen)]);
}

#[tokio::test]
async fn what_is_stored_is_in_no_doubt_and_one_of_several_callers_is_enough() {
    let held = Held { documents: Some(set(&[1, 2])), ..Held::default() };
    let claims = vec![
        claim(G, 3, &[]),
        claim(G, 1, &[]),
        claim(G, 4, &[2]),
        claim(G, 5, &[6]),
        // The same claim from another line.
        claim(G, 3, &[]),
    ];
    let doubtful = doubt(held, claims).await.unwrap();
    assert_eq!(doubtful, [(3, Fate::Missing), (3, Fate::Missing), (5, Fate::Missing)]);
}

#[tokio::test]
async fn a_store_that_does_not_exist_misses_everything_and_one_that_cannot_be_read_is_a_failure() {
    let doubtful = doubt(Held::default(), vec![claim(G, 1, &[]), claim(QUEUE, 2, &[])]).await.unwrap();
    assert_eq!(doubtful, [(1, Fate::Missing), (2, Fate::Missing)]);

    let held = Held { unreadable: true, ..Held::default() };
    let why = doubt(held, vec![claim(G, 1, &[])]).await.expect_err("unreadable").to_string();
    assert_eq!(why, "the store of service-g cannot be read: database is locked");
}

#[tokio::test]
async fn a_message_is_stored_or_queued_or_given_up_or_nowhere() {
    let held = Held {
        documents: Some(set(&[1, 4])),
        queued: set(&[2]),
        // Stored before it was given up: it has arrived.
        dead_lettered: set(&[3, 4]),
        ..Held::default()
    };
    let claims = (1..=5).map(|number| claim(QUEUE, number, &[])).collect();
    let doubtful = doubt(held, claims).await.unwrap();
    // The queue holds a message, and a broker may not let us see which.
    assert_eq!(doubtful, [(2, Fate::OnItsWay), (3, Fate::DeadLettered), (5, Fate::Unseen)]);
}

#[tokio::test]
async fn a_message_that_moves_between_two_looks_is_found() {
    let held = Held { moves: set(&[1]), others: 7, ..Held::default() };
    assert_eq!(doubt(held, vec![claim(QUEUE, 1, &[])]).await.unwrap(), []);
}

#[tokio::test]
async fn without_a_consumer_the_queue_is_where_it_must_be() {
    let topology = r#"
        entry = "a"
        [[service]]
        name = "a"
        greeting = "Hi"
        publishes = "trail"
    "#;
    let topology = Topology::parse(topology, "test").unwrap();
    let held = Held { queued: set(&[1]), dead_lettered: set(&[2]), ..Held::default() };
    let claims = (1..=3).map(|number| claim(QUEUE, number, &[])).collect();
    let doubtful = doubt_in(&topology, held, claims).await.unwrap();
    assert_eq!(doubtful, [(2, Fate::DeadLettered), (3, Fate::Unseen)]);
}
