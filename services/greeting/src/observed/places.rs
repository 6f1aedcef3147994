//! Stores and queues, as spans name them.

use std::time::{Duration, SystemTime};

use octet_backends::queue::Delivery;
use octet_runtime::telemetry::{Span, SpanKind};
use octet_topology::{QueueName, Store};

/// The one server that is spoken to. Files have none, and a connection string with several hosts does not say which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerPlace {
    pub(crate) address: String,
    /// `None` where it is looked up.
    pub(crate) port: Option<u16>,
}

impl ServerPlace {
    fn tell(server: Option<&Self>, span: &mut Span) {
        let Some(Self { address, port }) = server else { return };
        span.set("server.address", address.clone());
        if let Some(port) = port {
            span.set("server.port", i64::from(*port));
        }
    }
}

/// A collection, as spans name it.
pub(crate) struct StorePlace {
    /// `sqlite` or `mongodb`, as OpenTelemetry's conventions spell them.
    pub(crate) system: &'static str,
    pub(crate) store: Store,
    pub(crate) server: Option<ServerPlace>,
}

impl StorePlace {
    pub(super) fn insert_span(&self) -> Span {
        let mut span = Span::child(SpanKind::Client, &format!("insert {}", self.store.collection));
        if span.is_recording() {
            span.set("db.system.name", self.system);
            span.set("db.namespace", self.store.database.to_string());
            span.set("db.collection.name", self.store.collection.to_string());
            span.set("db.operation.name", "insert");
            // With its collection: a database may be named as its service is, and would be taken for it in a graph.
            span.set("peer.service", self.store.to_string());
            ServerPlace::tell(self.server.as_ref(), &mut span);
        }
        span
    }
}

/// A queue, as spans name it.
#[derive(Clone)]
pub(crate) struct QueuePlace {
    /// `sqlite` or `rabbitmq`.
    pub(crate) system: &'static str,
    pub(crate) queue: QueueName,
    pub(crate) server: Option<ServerPlace>,
}

impl QueuePlace {
    /// What a publisher tells a consumer's span in a message's headers: when it was sent, in microseconds since 1970.
    /// Brokers tell that to the second, or not at all.
    const SENT: &str = "octet-sent-us";

    /// Notes this moment as the one when the message was sent.
    pub(super) fn note_sent(headers: &mut Vec<(String, String)>) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        headers.push((Self::SENT.to_owned(), now.as_micros().to_string()));
    }

    /// How long a delivery has been on its way. Clocks may differ, but nothing comes before it is sent.
    pub(crate) fn waited(delivery: &Delivery) -> Option<Duration> {
        let noted = delivery.message().headers.iter().find(|(name, _)| name == Self::SENT);
        let noted = noted.and_then(|(_, sent)| sent.parse().ok()).map(Duration::from_micros);
        let sent = noted.and_then(|sent| SystemTime::UNIX_EPOCH.checked_add(sent)).or(delivery.published())?;
        Some(SystemTime::now().duration_since(sent).unwrap_or_default())
    }

    pub(crate) fn tell(&self, span: &mut Span, message: &str) {
        span.set("messaging.system", self.system);
        span.set("messaging.destination.name", self.queue.to_string());
        span.set("messaging.message.id", message.to_owned());
        span.set("peer.service", self.queue.to_string());
        ServerPlace::tell(self.server.as_ref(), span);
    }
}
