//! The audit: that nothing is lost.
//!
//! Every answer names what must exist: where the greeting of X stands above that of its upstream Y, and Y stores,
//! X's greeting is a document of Y's; a publisher's greeting is a document of the queue's consumer, or on its way
//! to it. `claims` derives this from the topology, `places` looks whether it is so. Nothing is taken or changed,
//! and no service has to live.
//!
//! Memory is bounded, whatever the number of answers and documents: answers are read one at a time and checked
//! in batches, and what is still on its way waits on disk.

mod answers;
mod check;
mod claims;
mod gap;
mod graph;
mod id;
mod places;
mod report;
mod spool;
mod table;
mod tree;

use std::time::Duration;

use octet_greeting::Connections;
use octet_topology::Topology;

pub use answers::{Answer, Answers, Greeting, Malformed};
pub use gap::{Gap, GapKind};
pub use graph::Overrides;
pub use id::{GreetingId, NoId};
pub use report::{Answered, Queue, Report, Store, Verdict};

use self::{
    check::{Check, Patience},
    graph::Graph,
    places::Places,
};
use crate::failure::Failure;

/// How many of a queue's dead letters a report shows.
const NEWEST_DEAD_LETTERS: u32 = 5;

/// Audits one platform.
pub struct Audit {
    graph: Graph,
    places: Places,
    wait: Option<Duration>,
}

impl Audit {
    /// Will audit the platform of `topology` whose data are at `connections`. With `wait`, what is on its way has
    /// this long to arrive, and is a gap after that; without, it is none.
    ///
    /// # Errors
    /// [`Failure::Configuration`] for a connection that can never be used, with its variable.
    pub async fn open(
        topology: &Topology,
        overrides: &Overrides,
        connections: &Connections,
        wait: Option<Duration>,
    ) -> Result<Self, Failure> {
        let graph = Graph::new(topology, overrides);
        let places = Places::open(&graph, connections).await?;
        Ok(Self { graph, places, wait })
    }

    /// Checks what `answers` claim, if there are any, and counts what is stored and queued. Every gap is handed to
    /// `on_gap` when it is found.
    ///
    /// # Errors
    /// [`Failure::Configuration`] where `answers` are malformed; [`Failure::Failed`] where a store or queue cannot
    /// be read. A gap is no error.
    pub async fn run(
        &self,
        answers: Option<Answers>,
        on_gap: &mut dyn FnMut(&Gap),
    ) -> Result<Report, Failure> {
        let answered = if let Some(answers) = answers {
            Some(Check::new(&self.graph, &self.places, on_gap)?.run(answers, self.wait).await?)
        } else {
            self.wait_for_empty_queues().await?;
            None
        };
        Ok(Report { stores: self.stores().await?, queues: self.queues().await?, answered, waited: self.wait })
    }

    /// A queue without a consumer stays as it is, so nobody waits for it.
    async fn wait_for_empty_queues(&self) -> anyhow::Result<()> {
        let Some(wait) = self.wait else { return Ok(()) };
        let mut patience = Patience::new(wait);
        let consumed = || (0..).zip(self.graph.queues()).filter(|(_, queue)| !queue.consumers.is_empty());
        for (index, _) in consumed() {
            while self.places.depth(index).await?.is_ok_and(|depth| depth.ready + depth.leased > 0) {
                if !patience.pause().await {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn stores(&self) -> anyhow::Result<Vec<Store>> {
        let mut stores = Vec::new();
        for (index, node) in self.graph.nodes().iter().enumerate() {
            if let Some(store) = &node.store {
                let documents = self.places.documents(index).await?;
                stores.push(Store { service: node.name.clone(), store: store.clone(), documents });
            }
        }
        Ok(stores)
    }

    async fn queues(&self) -> anyhow::Result<Vec<Queue>> {
        let mut queues = Vec::new();
        for (index, queue) in self.graph.queues().iter().enumerate() {
            queues.push(Queue {
                name: queue.name.to_string(),
                is_consumed: !queue.consumers.is_empty(),
                depth: self.places.depth(index).await?,
                sight: self.places.sight(index),
                newest_dead_letters: self.places.dead_letters(index, NEWEST_DEAD_LETTERS).await?,
            });
        }
        Ok(queues)
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Configuration(malformed.to_string())
    }
}
