use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use octet_backends::{
    inspect::{QueueDepth, QueueInspect},
    queue::{Message, Publisher},
    sqlite::{SqliteConsumer, SqlitePublisher, SqliteQueueInspect, SqliteQueueSettings},
    store::Document,
};
use octet_runtime::metrics::Metrics;
use tokio::{sync::oneshot, time::timeout};

use super::*;

const GREETING: &str = r#"{"id": "6e2a4a5c-8a4f-4c39-9f0c-0d7a6f0c1d2e", "service": "service-d", "message": "Shalom",
    "created": "2026-01-02T03:04:05.000000006Z", "hostname": "host-1"}"#;

/// An unavailable store: it returns an error, or never answers.
#[derive(Clone)]
struct Unavailable {
    answers: bool,
    inserts: Arc<AtomicU32>,
}

#[async_trait]
impl DocumentStore for Unavailable {
    async fn insert(&self, _document: &Document) -> Result<Inserted, StoreError> {
        self.inserts.fetch_add(1, Ordering::Relaxed);
        if !self.answers {
            std::future::pending::<()>().await;
        }
        Err(StoreError::Unavailable("connection refused".to_owned()))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("connection refused".to_owned()))
    }
}

fn queue_in(directory: &Path) -> SqliteQueueSettings {
    SqliteQueueSettings { delivery_limit: 2, ..SqliteQueueSettings::new(directory, "service-d.greeting") }
}

/// Consumes until the store has received `times` inserts, and then stops.
async fn consume_and_stop(queue: SqliteQueueSettings, store: Unavailable, times: u32) {
    let metrics = Metrics::new("service-f").unwrap();
    let consume = Consume {
        consumer: Arc::new(SqliteConsumer::open(queue).await.unwrap()),
        store: Arc::new(store.clone()),
        metrics: ConsumerMetrics::new(&metrics).unwrap(),
        tracer: Tracer::off(),
        attributes: QueueAttributes {
            system: "sqlite",
            queue: "service-d.greeting".parse().unwrap(),
            server: None,
        },
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let consuming = tokio::spawn(consume.run(async move {
        let _ = stopped.await;
    }));
    let asking = async {
        while store.inserts.load(Ordering::Relaxed) < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(15), asking).await.expect("the store should have been inserts by now");
    drop(stop);
    timeout(Duration::from_secs(15), consuming).await.expect("the consumer stops").unwrap();
}

#[tokio::test]
async fn restarts_during_a_store_outage_never_dead_letter_a_message() {
    for (answers, times) in [(true, 2), (false, 1)] {
        let directory = tempfile::tempdir().unwrap();
        let queue = queue_in(directory.path());
        let publisher = SqlitePublisher::open(queue.clone()).await.unwrap();
        let body = GREETING.as_bytes().to_vec();
        publisher.publish(Message { id: "a".to_owned(), headers: Vec::new(), body }).await.unwrap();
        for _ in 0..5 {
            consume_and_stop(queue.clone(), Unavailable { answers, inserts: Arc::default() }, times).await;
        }
        // Given back each time: ready at once, and not counted as delivered.
        let depth = SqliteQueueInspect::new(&queue).depth().await;
        assert_eq!(depth, Ok(QueueDepth { ready: 1, ..QueueDepth::default() }));
    }
}
