//! Random histories of a SQLite queue, compared with a model.

use std::{collections::BTreeMap, sync::Arc};

use octet_backends::{
    inspect::Pending,
    queue::{Consumer, Delivery, Publisher},
};
use proptest::prelude::*;
use tokio::runtime::Builder;

use octet_testbed::eventually;

use crate::{
    Queues, Terms,
    factories::{message, next},
    sqlite::Sqlite,
};

const PREFETCH: u32 = 3;
const LIMIT: u32 = 3;
const IDS: u8 = 6;

#[derive(Debug, Clone)]
enum Step {
    Publish(u8),
    Next,
    Ack(prop::sample::Index),
    Release(prop::sample::Index),
    Drop(prop::sample::Index),
    DeadLetter(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (0..IDS).prop_map(Step::Publish),
        4 => Just(Step::Next),
        1 => index().prop_map(Step::Ack),
        2 => index().prop_map(Step::Release),
        1 => index().prop_map(Step::Drop),
        1 => index().prop_map(Step::DeadLetter),
    ]
}

/// The expected state of the queue.
#[derive(Default)]
struct Model {
    /// How often each queued message has been handed out.
    queued: BTreeMap<String, u32>,
    dead: Vec<String>,
    redelivered: u64,
}

struct History {
    sqlite: Sqlite,
    publisher: Arc<dyn Publisher>,
    consumer: Arc<dyn Consumer>,
    held: Vec<Delivery>,
    model: Model,
}

impl History {
    async fn begin() -> Self {
        let sqlite = Sqlite::new();
        let publisher = sqlite.publisher().await;
        let terms = Terms { prefetch: PREFETCH, delivery_limit: LIMIT, ..Terms::default() };
        let consumer = sqlite.consumer(terms).await;
        Self { sqlite, publisher, consumer, held: Vec::new(), model: Model::default() }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Publish(number) => {
                let id = format!("message-{number}");
                self.publisher.publish(message(&id)).await.unwrap();
                self.model.queued.entry(id).or_insert(0);
            }
            Step::Next => {
                let may_come =
                    self.held.len() < PREFETCH as usize && self.held.len() < self.model.queued.len();
                if may_come {
                    let delivery = next(&self.consumer).await;
                    assert!(self.held.iter().all(|held| held.message().id != delivery.message().id));
                    assert_eq!(delivery.message(), &message(&delivery.message().id));
                    let times = self.model.queued.get_mut(&delivery.message().id).expect("it is queued");
                    *times += 1;
                    assert_eq!(delivery.attempt(), *times);
                    self.model.redelivered += u64::from(*times > 1);
                    self.held.push(delivery);
                }
            }
            Step::Ack(index) => {
                if let Some(delivery) = self.pick(index) {
                    self.model.queued.remove(&delivery.message().id);
                    delivery.ack().await.unwrap();
                }
            }
            Step::DeadLetter(index) => {
                if let Some(delivery) = self.pick(index) {
                    let id = delivery.message().id.clone();
                    self.model.queued.remove(&id);
                    delivery.dead_letter("unwanted").await.unwrap();
                    self.model.dead.push(id);
                }
            }
            Step::Release(index) => {
                if let Some(delivery) = self.pick(index) {
                    let id = delivery.message().id.clone();
                    delivery.release().await.unwrap();
                    self.given_back(id).await;
                }
            }
            Step::Drop(index) => {
                if let Some(delivery) = self.pick(index) {
                    let id = delivery.message().id.clone();
                    drop(delivery);
                    self.given_back(id).await;
                }
            }
        }
    }

    fn pick(&mut self, index: prop::sample::Index) -> Option<Delivery> {
        (!self.held.is_empty()).then(|| self.held.swap_remove(index.index(self.held.len())))
    }

    /// At the delivery limit, the message becomes a dead letter, asynchronously.
    async fn given_back(&mut self, id: String) {
        if self.model.queued[&id] == LIMIT {
            self.model.queued.remove(&id);
            self.model.dead.push(id);
            let expected = self.model.dead.len() as u64;
            let inspect = Queues::inspect(&self.sqlite).await;
            eventually("it is dead-lettered", async || {
                inspect.depth().await.unwrap().dead_lettered == expected
            })
            .await;
        }
    }

    async fn end(mut self) {
        self.consumer.close().await.unwrap();
        for delivery in self.held.drain(..) {
            let id = delivery.message().id.clone();
            self.model.queued.remove(&id);
            delivery.ack().await.unwrap();
        }
        let inspect = Queues::inspect(&self.sqlite).await;
        let ids: Vec<String> = (0..IDS).map(|number| format!("message-{number}")).collect();
        let only = |wanted: &dyn Fn(&String) -> bool| ids.iter().filter(|id| wanted(id)).cloned().collect();
        let expected = Pending {
            queued: only(&|id| self.model.queued.contains_key(id)),
            dead_lettered: only(&|id| self.model.dead.contains(id)),
        };
        assert_eq!(inspect.pending(&ids).await, Ok(expected));
        let depth = inspect.depth().await.unwrap();
        assert_eq!((depth.ready, depth.leased), (self.model.queued.len() as u64, 0));
        assert_eq!(depth.dead_lettered, self.model.dead.len() as u64);
        let mut letters: Vec<_> =
            self.sqlite.dead_letters().await.into_iter().map(|letters| letters.message.id).collect();
        letters.sort();
        self.model.dead.sort();
        assert_eq!(letters, self.model.dead);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_agrees_with_the_model(steps in prop::collection::vec(step(), 1..50)) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut history = History::begin().await;
            for step in steps {
                history.take(step).await;
            }
            history.end().await;
        });
    }
}
