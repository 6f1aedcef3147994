//! The audit: checks that no data is lost.
//!
//! Every answer names what must exist. If X called Y and Y has a store, X's greeting is a document in Y's store; the
//! greeting of a publisher is a document of the queue's consumer, or still queued. `claims` derives this from the
//! topology, `inspector` looks it up and compares the document's fields with the answer's. No id may be in two answers;
//! `duplicates` finds those. The audit only reads, and the services need not run.
//!
//! Memory is bounded for any number of answers and documents: answers are read one at a time and checked in batches,
//! and claims on queued messages wait on disk.

mod answers;
mod check;
mod claims;
mod duplicates;
mod gap;
mod graph;
mod id;
mod inspector;
pub(crate) mod printable;
mod report;
mod spool;
mod stream;
mod table;
pub mod telemetry;
mod trace_name;
mod tree;

use std::time::Duration;

use octet_greeting::Connections;
use octet_topology::Topology;

pub use answers::{Answer, Answers, Greeting, Malformed};
pub use gap::{Gap, GapKind};
pub use graph::Overrides;
pub use id::{GreetingId, InvalidId};
pub use report::{Answered, Queue, Report, Store, Verdict};
pub use trace_name::TraceName;

use self::{
    check::{Check, Patience},
    graph::Graph,
    inspector::Inspector,
};
use crate::failure::Failure;

/// How many dead letters of each queue a report shows.
const NEWEST_DEAD_LETTERS: u32 = 5;

/// Audits one platform.
pub struct Audit {
    graph: Graph,
    inspector: Inspector,
    wait: Option<Duration>,
    /// The wait for the messages of answers alone.
    answers_wait: Option<Duration>,
}

impl Audit {
    /// An audit of the platform of `topology` whose data are at `connections`. With `wait`, a message that is still queued
    /// after that time is a gap; without, a queued message is no gap.
    ///
    /// # Errors
    /// [`Failure::Configuration`] with the variable of a connection that can never work.
    pub async fn open(
        topology: &Topology,
        overrides: &Overrides,
        connections: &Connections,
        wait: Option<Duration>,
    ) -> Result<Self, Failure> {
        let graph = Graph::new(topology, overrides);
        let inspector = Inspector::open(&graph, connections).await?;
        Ok(Self { graph, inspector, wait, answers_wait: wait })
    }

    /// The same audit, in which messages that are still queued after `wait` are gaps. Without answers it does not wait.
    #[must_use]
    pub(crate) fn waiting(mut self, wait: Duration) -> Self {
        self.answers_wait = Some(wait);
        self
    }

    /// Checks the claims of `answers`, if any, and counts documents and messages. Calls `on_gap` for every gap as soon as
    /// it is found.
    ///
    /// # Errors
    /// [`Failure::Configuration`] if `answers` are malformed; [`Failure::Failed`] if a store or queue cannot be read. A gap
    /// is not an error.
    pub async fn run(
        &self,
        answers: Option<Answers>,
        on_gap: &mut dyn FnMut(&Gap),
    ) -> Result<Report, Failure> {
        let answered = if let Some(answers) = answers {
            Some(Check::new(&self.graph, &self.inspector, on_gap)?.run(answers, self.answers_wait).await?)
        } else {
            self.wait_for_empty_queues().await?;
            None
        };
        let waited = if answered.is_some() { self.answers_wait } else { self.wait };
        Ok(Report { stores: self.stores().await?, queues: self.queues().await?, answered, waited })
    }

    /// Messages of a queue without a consumer stay queued, so only the other queues are waited for.
    async fn wait_for_empty_queues(&self) -> anyhow::Result<()> {
        let Some(wait) = self.wait else { return Ok(()) };
        let mut patience = Patience::new(wait);
        let consumed = || (0..).zip(self.graph.queues()).filter(|(_, queue)| !queue.consumers.is_empty());
        for (index, _) in consumed() {
            while self.inspector.depth(index).await?.is_ok_and(|depth| depth.ready + depth.leased > 0) {
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
                let documents = self.inspector.documents(index).await?;
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
                depth: self.inspector.depth(index).await?,
                sight: self.inspector.sight(index),
                newest_dead_letters: self.inspector.dead_letters(index, NEWEST_DEAD_LETTERS).await?,
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
