use std::sync::Mutex;

use async_trait::async_trait;
use octet_backends::{
    inspect::{DeadLetter, Pending, QueueDepth, Sight},
    queue::{ConsumeError, Delivery},
};
use tokio::time::sleep;

use super::*;

type Seen = Result<(QueueDepth, Option<SystemTime>), InspectError>;

/// A queue whose state the test sets.
struct Shown(Mutex<Seen>);

impl Shown {
    fn new(seen: Seen) -> Arc<Self> {
        Arc::new(Self(Mutex::new(seen)))
    }

    fn show(&self, seen: Seen) {
        *self.0.lock().unwrap() = seen;
    }
}

#[async_trait]
impl QueueInspect for Shown {
    fn sight(&self) -> Sight {
        Sight::Everything
    }

    async fn depth(&self) -> Result<QueueDepth, InspectError> {
        self.0.lock().unwrap().clone().map(|(depth, _)| depth)
    }

    async fn oldest_ready(&self) -> Result<Option<SystemTime>, InspectError> {
        self.0.lock().unwrap().clone().map(|(_, oldest)| oldest)
    }

    async fn dead_letters(&self, _limit: u32) -> Result<Vec<DeadLetter>, InspectError> {
        Ok(Vec::new())
    }

    async fn pending(&self, _ids: &[String]) -> Result<Pending, InspectError> {
        Ok(Pending::default())
    }
}

/// A consumer that never answers.
struct Silent;

#[async_trait]
impl Consumer for Silent {
    async fn next(&self) -> Result<Delivery, ConsumeError> {
        std::future::pending().await
    }

    async fn ping(&self) -> Result<(), ConsumeError> {
        std::future::pending().await
    }

    async fn close(&self) -> Result<(), ConsumeError> {
        Ok(())
    }
}

fn lines(metrics: &Metrics) -> Vec<String> {
    let text = metrics.text().expect("text");
    text.lines().filter(|line| line.starts_with("octet_queue_")).map(str::to_owned).collect()
}

fn depth(ready: u64) -> QueueDepth {
    QueueDepth { ready, dead_lettered: 1, ..QueueDepth::default() }
}

#[tokio::test(start_paused = true)]
async fn the_gauges_of_a_queue_are_absent_while_it_cannot_be_inspected() {
    let metrics = Metrics::new("service-f").expect("metrics");
    let minutes_ago = SystemTime::now() - Duration::from_mins(2);
    let shown = Shown::new(Ok((depth(7), Some(minutes_ago))));
    let mut watch = Watch::default();
    watch.consumer(Arc::new(Silent), shown.clone(), &metrics).expect("registered");
    let watching = tokio::spawn(watch.run());

    sleep(ANSWER_TIMEOUT * 2).await;
    let seen = lines(&metrics);
    assert!(seen.contains(&"octet_queue_ready 7".to_owned()), "{seen:?}");
    assert!(seen.contains(&"octet_queue_dead_letters 1".to_owned()), "{seen:?}");
    assert!(seen.iter().any(|line| line.starts_with("octet_queue_oldest_seconds 12")), "{seen:?}");
    assert!(seen.contains(&"octet_queue_consumer_up 0".to_owned()), "{seen:?}");

    shown.show(Err(InspectError::Unavailable("connection refused".to_owned())));
    sleep(INTERVAL * 2).await;
    assert_eq!(lines(&metrics), ["octet_queue_consumer_up 0"]);

    shown.show(Ok((depth(3), None)));
    sleep(INTERVAL * 2).await;
    let seen = lines(&metrics);
    assert!(seen.contains(&"octet_queue_ready 3".to_owned()), "{seen:?}");
    assert!(!seen.iter().any(|line| line.starts_with("octet_queue_oldest_seconds")), "{seen:?}");

    shown.show(Ok((depth(0), None)));
    sleep(INTERVAL * 2).await;
    assert!(lines(&metrics).contains(&"octet_queue_oldest_seconds 0".to_owned()));
    watching.abort();
}
