use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use octet_backends::{
    inspect::{QueueDepth, QueueInspect, StoreInspect},
    queue::{Message, Publisher},
    sqlite::{
        SqliteConsumer, SqlitePublisher, SqliteQueueInspect, SqliteQueueSettings, SqliteStore,
        SqliteStoreInspect, SqliteStoreSettings,
    },
    store::Document,
};
use octet_fault::Seed;
use octet_runtime::{
    faults::{FaultSettings, Identity},
    metrics::Metrics,
};
use octet_testbed::eventually;
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

/// No fault, and no source of any.
fn no_faults(metrics: &Metrics) -> Faults {
    let identity = Identity { service: "service-f".to_owned(), replica: 1 };
    Faults::new(&FaultSettings::default(), identity, (Seed(0), &[]), Arc::new(|_| Ok(())), metrics).unwrap()
}

fn queue_in(directory: &Path) -> SqliteQueueSettings {
    SqliteQueueSettings { delivery_limit: 2, ..SqliteQueueSettings::new(directory, "service-d.greeting") }
}

/// Consumes until `is_done`, and then stops.
async fn consume_until(
    queue: SqliteQueueSettings,
    store: Arc<dyn DocumentStore>,
    what: &str,
    is_done: impl AsyncFnMut() -> bool,
) {
    let metrics = Metrics::new("service-f").unwrap();
    let queue_name = "service-d.greeting".parse().unwrap();
    let attributes = QueueAttributes { system: "sqlite", queue: queue_name, server: None };
    let consume = Consume {
        consumer: Arc::new(SqliteConsumer::open(queue).await.unwrap()),
        store,
        metrics: ConsumerMetrics::new(&metrics).unwrap(),
        tracer: Tracer::off(),
        shape: attributes.shape(octet_runtime::telemetry::SpanKind::Consumer, "process"),
        attributes,
        faults: no_faults(&metrics),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let consuming = tokio::spawn(consume.run(async move {
        let _ = stopped.await;
    }));
    eventually(what, is_done).await;
    drop(stop);
    timeout(Duration::from_mins(1), consuming).await.expect("the consumer stops").unwrap();
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
            let store = Unavailable { answers, inserts: Arc::default() };
            let inserts = Arc::clone(&store.inserts);
            let is_done = async || inserts.load(Ordering::Relaxed) >= times;
            consume_until(queue.clone(), Arc::new(store), "the store has the inserts", is_done).await;
        }
        // Given back each time: ready at once, and not counted as delivered.
        let depth = SqliteQueueInspect::new(&queue).depth().await;
        assert_eq!(depth, Ok(QueueDepth { ready: 1, ..QueueDepth::default() }));
    }
}

#[tokio::test]
async fn a_second_message_with_the_same_id_and_other_content_is_dead_lettered() {
    let directory = tempfile::tempdir().unwrap();
    let queue = queue_in(directory.path());
    let store = SqliteStoreSettings::new(directory.path(), "service-f", "messages");
    let publisher = SqlitePublisher::open(queue.clone()).await.unwrap();
    let (inspect, documents) = (SqliteQueueInspect::new(&queue), SqliteStoreInspect::new(store.clone()));
    // The first message, the same again, and the same id with another text; each once the one before is consumed.
    let other = GREETING.replace("Shalom", "Hello");
    for (body, dead_lettered) in [(GREETING, 0), (GREETING, 0), (&other, 1)] {
        let body = body.as_bytes().to_vec();
        publisher.publish(Message { id: "a".to_owned(), headers: Vec::new(), body }).await.unwrap();
        let store = Arc::new(SqliteStore::open(store.clone()).await.unwrap());
        let expected = Ok(QueueDepth { dead_lettered, ..QueueDepth::default() });
        consume_until(queue.clone(), store, "the message is settled", async || {
            inspect.depth().await == expected
        })
        .await;
    }
    assert_eq!(documents.count().await, Ok(1));
    let letters = inspect.dead_letters(10).await.unwrap();
    assert!(letters[0].reason.contains("other content"), "{letters:?}");
}
