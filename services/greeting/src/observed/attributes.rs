//! The attributes of spans for stores and queues.

use std::time::{Duration, SystemTime};

use octet_backends::queue::Delivery;
use octet_runtime::telemetry::{Convention, Span, SpanKind};
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
    fn set(server: Option<&Self>, span: &mut Span) {
        let Some(Self { address, port }) = server else { return };
        span.set("server.address", address.clone());
        if let Some(port) = port {
            span.set("server.port", i64::from(*port));
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
    pub(super) fn insert_span(&self) -> Span {
        let mut span = Span::child(SpanKind::Client, &format!("insert {}", self.store.collection));
        if span.is_recording() {
            span.set("db.system.name", self.system);
            span.set("db.namespace", self.store.database.to_string());
            span.set("db.collection.name", self.store.collection.to_string());
            span.set("db.operation.name", "insert");
            self.set_earlier(&mut span);
            // With its collection: a graph would confuse a database with a service of the same name.
            span.set("peer.service", self.store.to_string());
            ServerAttributes::set(self.server.as_ref(), &mut span);
        }
        span
    }

    /// The names of before the conventions for databases were stable.
    fn set_earlier(&self, span: &mut Span) {
        let collection = if self.system == "mongodb" { "db.mongodb.collection" } else { "db.sql.table" };
        span.set_earlier(Convention::Database, "db.system", || self.system);
        span.set_earlier(Convention::Database, "db.name", || self.store.database.to_string());
        span.set_earlier(Convention::Database, collection, || self.store.collection.to_string());
        span.set_earlier(Convention::Database, "db.operation", || "insert");
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

    pub(crate) fn set(&self, span: &mut Span, message: &str) {
        span.set("messaging.system", self.system);
        span.set("messaging.destination.name", self.queue.to_string());
        span.set("messaging.message.id", message.to_owned());
        span.set("peer.service", self.queue.to_string());
        ServerAttributes::set(self.server.as_ref(), span);
    }
}
