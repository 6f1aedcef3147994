//! Gauges that no call updates: the queue's length and age, and whether store and queue can be reached.

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

/// The average interval between checks: that of a usual scrape.
const INTERVAL: Duration = Duration::from_secs(15);

/// Longer than readiness waits, since no request waits for this.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

const NO_LABELS: &[&str] = &[];

/// Checks the parts of a role and sets their gauges. A gauge without a current value is absent.
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
        let help = "1 when the store answered the last check, else 0";
        self.store = Some((store, metrics.gauge("octet_store_up", help, NO_LABELS)?));
        Ok(())
    }

    pub(crate) fn publisher(
        &mut self,
        publisher: Arc<dyn Publisher>,
        metrics: &Metrics,
    ) -> Result<(), prometheus::Error> {
        let help = "1 when the queue for publishing answered the last check, else 0";
        self.publisher = Some((publisher, metrics.gauge("octet_queue_publisher_up", help, NO_LABELS)?));
        Ok(())
    }

    pub(crate) fn consumer(
        &mut self,
        consumer: Arc<dyn Consumer>,
        inspect: Arc<dyn QueueInspect>,
        metrics: &Metrics,
    ) -> Result<(), prometheus::Error> {
        let help = "1 when the queue for consuming answered the last check, else 0";
        self.consumer = Some((consumer, metrics.gauge("octet_queue_consumer_up", help, NO_LABELS)?));
        self.queue = Some(Queue::new(inspect, metrics)?);
        Ok(())
    }

    /// Checks until it is dropped.
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
                        queue.check().await;
                    }
                },
            );
            // Jittered, so that the replicas of a consumer do not query the broker all at once.
            tokio::time::sleep(INTERVAL.mul_f64(0.8 + 0.4 * fastrand::f64())).await;
        }
    }
}

/// A queue's gauges, which every consumer of the queue reports alike.
struct Queue {
    inspect: Arc<dyn QueueInspect>,
    ready: IntGaugeVec,
    oldest: IntGaugeVec,
    dead_letters: IntGaugeVec,
    /// So that an outage is logged once.
    is_unknown: bool,
}

impl Queue {
    fn new(inspect: Arc<dyn QueueInspect>, metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let gauge = |name, help| metrics.gauge(name, help, NO_LABELS);
        Ok(Self {
            inspect,
            ready: gauge("octet_queue_ready", "Messages waiting for a consumer")?,
            oldest: gauge(
                "octet_queue_oldest_seconds",
                "Age in seconds of the oldest waiting message, 0 when none waits; absent when the broker does not \
                 report it",
            )?,
            dead_letters: gauge("octet_queue_dead_letters", "Messages in the dead-letter queue")?,
            is_unknown: false,
        })
    }

    async fn check(&mut self) {
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
                self.is_unknown = false;
            }
            Err(error) => {
                for gauge in [&self.ready, &self.dead_letters, &self.oldest] {
                    gauge.reset();
                }
                if !std::mem::replace(&mut self.is_unknown, true) {
                    tracing::info!(%error, "queue length unknown");
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

/// In seconds, rounded down; 0 where the publisher's clock is ahead.
fn age(published: SystemTime) -> i64 {
    whole(published.elapsed().unwrap_or_default().as_secs())
}

#[cfg(test)]
mod tests;
