//! What a contract case needs of an adapter, and what cases share.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use octet_backends::{
    inspect::{Pending, QueueDepth, QueueInspect, StoreInspect},
    queue::{Consumer, Delivery, Message, Publisher},
    store::{Document, DocumentStore},
};
use tokio::time;

use crate::child::Child;

/// Longer than anything takes on a busy machine.
const LIMIT: Duration = Duration::from_mins(2);

/// Handles to one collection that was empty when the factory was made.
#[async_trait(?Send)]
pub(crate) trait Stores {
    async fn store(&self) -> Arc<dyn DocumentStore>;
    async fn inspect(&self) -> Box<dyn StoreInspect>;
    /// A document as it is stored: names and values, in their order.
    async fn stored(&self, id: &str) -> Vec<(String, String)>;
}

/// Handles to one queue that was empty when the factory was made.
#[async_trait(?Send)]
pub(crate) trait Queues {
    async fn publisher(&self) -> Arc<dyn Publisher>;
    /// A publisher to a queue whose consumers have these terms.
    async fn publisher_on(&self, _terms: Terms) -> Arc<dyn Publisher> {
        self.publisher().await
    }
    async fn consumer(&self, terms: Terms) -> Arc<dyn Consumer>;
    async fn inspect(&self) -> Box<dyn QueueInspect>;
    /// The dead letters, oldest first.
    async fn dead_letters(&self) -> Vec<WholeLetter>;
    /// A process that holds the oldest message until it is killed.
    async fn taken_by_a_process(&self) -> Child;
    fn sight(&self) -> Sight;
    /// Whether a delivery that is given back counts towards the delivery limit.
    fn counts_given_back(&self) -> bool;
}

/// What an adapter's inspection can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// All that the port asks for.
    Everything,
    /// How many messages are ready, and the dead letters. Counts of leased and redelivered messages are 0, and the list
    /// of queued messages is empty.
    ReadyAndDead,
}

impl Sight {
    /// The visible part of `depth`.
    pub(crate) fn of_depth(self, depth: QueueDepth) -> QueueDepth {
        match self {
            Self::Everything => depth,
            Self::ReadyAndDead => QueueDepth { leased: 0, redelivered: 0, ..depth },
        }
    }

    /// The visible part of `pending`.
    pub(crate) fn of_pending(self, pending: Pending) -> Pending {
        match self {
            Self::Everything => pending,
            Self::ReadyAndDead => Pending { queued: Vec::new(), ..pending },
        }
    }
}

/// A dead letter with its message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WholeLetter {
    pub(crate) message: Message,
    pub(crate) reason: String,
}

/// A consumer's terms. Brokers that notice a process's death by its connection have no lease.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) prefetch: u32,
    pub(crate) lease: Duration,
    pub(crate) delivery_limit: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self { prefetch: 10, lease: Duration::from_secs(3), delivery_limit: 20 }
    }
}

pub(crate) fn document(id: &str) -> Document {
    Document {
        id: id.to_owned(),
        service: "service-d".to_owned(),
        message: "Shalom (שָׁלוֹם), from Service D!".to_owned(),
        created: "2026-01-02T03:04:05.000000006Z".to_owned(),
        hostname: "host-1".to_owned(),
    }
}

pub(crate) fn message(id: &str) -> Message {
    Message {
        id: id.to_owned(),
        headers: vec![("b3".to_owned(), "0".to_owned())],
        body: format!("body of {id}").into_bytes(),
    }
}

pub(crate) fn unique() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The result of `future`, which must come in time.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    time::timeout(LIMIT, future).await.expect("a result within the limit")
}

/// The next delivery, which must come in time.
pub(crate) async fn next(consumer: &Arc<dyn Consumer>) -> Delivery {
    soon(consumer.next()).await.expect("the consumer is open")
}

/// Checks that no delivery comes within `duration`.
pub(crate) async fn nothing_within(duration: Duration, consumer: &Arc<dyn Consumer>) {
    if let Ok(delivery) = time::timeout(duration, consumer.next()).await {
        panic!("an unexpected delivery: {delivery:?}");
    }
}
