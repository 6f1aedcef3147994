//! What no call tells, and somebody has to look at: how long the queue is and how old, and whether store and queue can
//! be reached.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use octet_backends::{
    inspect::{InspectError, QueueInspect},
    queue::{Consumer, Publisher},
    store::DocumentStore,
};
use octet_runtime::metrics::{IntGaugeVec, Metrics};
use tokio::time::timeout;

/// From one look to the next, on average: a scrape's usual interval.
const INTERVAL: Duration = Duration::from_secs(15);

/// How long an answer may take before there is none. Longer than readiness waits: nothing waits for this.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

const NO_LABELS: &[&str] = &[];

/// Looks at what a role has, and sets gauges. A gauge whose value is unknown is absent, and never an old number.
#[derive(Default)]
pub(crate) struct Watch {
    store: Option<(Arc<dyn DocumentStore>, IntGaugeVec)>,
    publisher: Option<(Arc<dyn Publisher>, IntGaugeVec)>,
    consumer: Option<(Arc<dyn Consumer>, IntGaugeVec)>,
    queue: Option<Queue>,
}

impl Watch {
    pub(crate) fn store(
        &mut self,
        store: Arc<dyn DocumentStore>,
        metrics: &Metrics,
    ) -> Result<(), prometheus::Error> {
        let help = "Whether the store answered when last asked: 1 or 0";
        self.store = Some((store, metrics.gauge("octet_store_up", help, NO_LABELS)?));
        Ok(())
    }

    pub(crate) fn publisher(
        &mut self,
        publisher: Arc<dyn Publisher>,
        metrics: &Metrics,
    ) -> Result<(), prometheus::Error> {
        let help = "Whether the queue to publish on answered when last asked: 1 or 0";
        self.publisher = Some((publisher, metrics.gauge("octet_queue_publisher_up", help, NO_LABELS)?));
        Ok(())
    }

    pub(crate) fn consumer(
        &mut self,
        consumer: Arc<dyn Consumer>,
        inspect: Arc<dyn QueueInspect>,
        metrics: &Metrics,
    ) -> Result<(), prometheus::Error> {
        let help = "Whether the queue to consume from answered when last asked: 1 or 0";
        self.consumer = Some((consumer, metrics.gauge("octet_queue_consumer_up", help, NO_LABELS)?));
        self.queue = Some(Queue::new(inspect, metrics)?);
        Ok(())
    }

    /// Looks until it is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::join!(
                async {
                    if let Some((store, up)) = &self.store {
                        set(up, i64::from(answers(store.ping()).await));
                    }
                },
                async {
                    if let Some((publisher, up)) = &self.publisher {
                        set(up, i64::from(answers(publisher.ping()).await));
                    }
                },
                async {
                    if let Some((consumer, up)) = &self.consumer {
                        set(up, i64::from(answers(consumer.ping()).await));
                    }
                },
                async {
                    if let Some(queue) = &mut self.queue {
                        queue.look().await;
                    }
                },
            );
            // Jittered, so that the replicas of a consumer do not all ask the broker at once.
            tokio::time::sleep(INTERVAL.mul_f64(0.8 + 0.4 * fastrand::f64())).await;
        }
    }
}

/// A queue seen from outside, by each of its consumers: the same for all of them.
struct Queue {
    inspect: Arc<dyn QueueInspect>,
    ready: IntGaugeVec,
    oldest: IntGaugeVec,
    dead_letters: IntGaugeVec,
    /// Said once, until it can be seen again.
    is_unseen: bool,
}

impl Queue {
    fn new(inspect: Arc<dyn QueueInspect>, metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let gauge = |name, help| metrics.gauge(name, help, NO_LABELS);
        Ok(Self {
            inspect,
            ready: gauge("octet_queue_ready", "Messages that wait for a consumer")?,
            oldest: gauge(
                "octet_queue_oldest_seconds",
                "Seconds since the publishing of the message that waits longest, 0 where none waits; absent where \
                 the broker does not tell",
            )?,
            dead_letters: gauge("octet_queue_dead_letters", "Messages given up, and kept with their reason")?,
            is_unseen: false,
        })
    }

    async fn look(&mut self) {
        let seen = async {
            let depth = self.inspect.depth().await?;
            let oldest = match depth.ready {
                0 => None,
                _ => self.inspect.oldest_ready().await?,
            };
            Ok((depth, oldest))
        };
        let seen = timeout(ANSWER_TIMEOUT, seen).await.unwrap_or_else(|_| {
            Err(InspectError::Unavailable(format!("no answer within {ANSWER_TIMEOUT:?}")))
        });
        match seen {
            Ok((depth, oldest)) => {
                set(&self.ready, whole(depth.ready));
                set(&self.dead_letters, whole(depth.dead_lettered));
                match (depth.ready, oldest) {
                    (0, _) => set(&self.oldest, 0),
                    (_, Some(published)) => set(&self.oldest, age(published)),
                    (_, None) => self.oldest.reset(),
                }
                self.is_unseen = false;
            }
            Err(error) => {
                for gauge in [&self.ready, &self.dead_letters, &self.oldest] {
                    gauge.reset();
                }
                if !std::mem::replace(&mut self.is_unseen, true) {
                    tracing::info!(%error, "the queue's length is unknown");
                }
            }
        }
    }
}

async fn answers<E>(ping: impl Future<Output = Result<(), E>>) -> bool {
    timeout(ANSWER_TIMEOUT, ping).await.is_ok_and(|answer| answer.is_ok())
}

fn set(gauge: &IntGaugeVec, value: i64) {
    gauge.with_label_values(NO_LABELS).set(value);
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Seconds, rounded down; 0 for what a clock ahead of ours has published.
fn age(published: SystemTime) -> i64 {
    whole(published.elapsed().unwrap_or_default().as_secs())
}

#[cfg(test)]
mod tests;
