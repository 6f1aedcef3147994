//! The attributes of spans for stores and queues.

use std::time::{Duration, SystemTime};

use octet_backends::queue::Delivery;
use octet_runtime::telemetry::{Convention, Shape, SpanKind};
use octet_topology::{QueueName, Store};

/// The server of a store or queue. Files have none, and a connection string with several hosts does not name the one in
/// use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerAttributes {
    pub(crate) address: String,
    /// `None` where DNS provides it.
    pub(crate) port: Option<u16>,
}

impl ServerAttributes {
    fn add_to(server: Option<&Self>, shape: Shape) -> Shape {
        let Some(Self { address, port }) = server else { return shape };
        let shape = shape.with("server.address", address);
        match port {
            Some(port) => shape.with("server.port", i64::from(*port)),
            None => shape,
        }
    }
}

/// The attributes of a collection.
pub(crate) struct StoreAttributes {
    /// `sqlite` or `mongodb`, as OpenTelemetry's conventions spell them.
    pub(crate) system: &'static str,
    pub(crate) store: Store,
    pub(crate) server: Option<ServerAttributes>,
}

impl StoreAttributes {
    /// The shape of the spans of inserts.
    pub(super) fn insert(&self) -> Shape {
        let (database, collection) = (self.store.database.to_string(), self.store.collection.to_string());
        // The names of before the conventions for databases were stable.
        let earlier = if self.system == "mongodb" { "db.mongodb.collection" } else { "db.sql.table" };
        let shape = Shape::new(SpanKind::Client, format!("insert {collection}"))
            .with("db.system.name", self.system)
            .with("db.namespace", &database)
            .with("db.collection.name", &collection)
            .with("db.operation.name", "insert")
            .with_earlier(Convention::Database, "db.system", self.system)
            .with_earlier(Convention::Database, "db.name", &database)
            .with_earlier(Convention::Database, earlier, &collection)
            .with_earlier(Convention::Database, "db.operation", "insert")
            // With its collection: a graph would confuse a database with a service of the same name.
            .with("peer.service", &self.store.to_string());
        ServerAttributes::add_to(self.server.as_ref(), shape)
    }
}

/// The attributes of a queue.
#[derive(Clone)]
pub(crate) struct QueueAttributes {
    /// `sqlite` or `rabbitmq`.
    pub(crate) system: &'static str,
    pub(crate) queue: QueueName,
    pub(crate) server: Option<ServerAttributes>,
}

impl QueueAttributes {
    /// The message header with the time of publishing, in microseconds since 1970. Brokers report it in seconds, if at
    /// all.
    const SENT: &str = "octet-sent-us";

    /// Adds the current time as the time of publishing.
    pub(super) fn add_sent(headers: &mut Vec<(String, String)>) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        headers.push((Self::SENT.to_owned(), now.as_micros().to_string()));
    }

    /// The time since publishing; zero where the publisher's clock is ahead.
    pub(crate) fn waited(delivery: &Delivery) -> Option<Duration> {
        let sent_us = delivery.message().headers.iter().find(|(name, _)| name == Self::SENT);
        let sent_us = sent_us.and_then(|(_, sent)| sent.parse().ok()).map(Duration::from_micros);
        let sent =
            sent_us.and_then(|sent| SystemTime::UNIX_EPOCH.checked_add(sent)).or(delivery.published())?;
        Some(SystemTime::now().duration_since(sent).unwrap_or_default())
    }

    /// The shape of the spans of an operation on its messages, `send` or `process`.
    pub(crate) fn shape(&self, kind: SpanKind, operation: &str) -> Shape {
        let queue = self.queue.to_string();
        let shape = Shape::new(kind, format!("{operation} {queue}"))
            .with("messaging.system", self.system)
            .with("messaging.destination.name", &queue)
            .with("messaging.operation.name", operation)
            .with("messaging.operation.type", operation)
            .with("peer.service", &queue);
        ServerAttributes::add_to(self.server.as_ref(), shape)
    }
}
