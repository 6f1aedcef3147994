//! A platform on real servers: the test's own broker and database.

use std::sync::Arc;

use octet_backends::{
    inspect::{QueueInspect, StoreInspect},
    mongodb::{MongoSettings, MongoStoreInspect},
    queue::Publisher,
    rabbitmq::{RabbitPublisher, RabbitQueueInspect, RabbitSettings},
    sqlite::{
        SqlitePublisher, SqliteQueueInspect, SqliteQueueSettings, SqliteStoreInspect, SqliteStoreSettings,
    },
};
use octet_testbed::{Broker, Database};

use tokio::process::Command;

use crate::platform::{Documents, Mesh, octet};

/// The queue of the built-in topology.
pub const QUEUE: &str = "service-d.greeting";

/// RabbitMQ and a server of the MongoDB protocol. Dropping them stops them.
pub struct Servers {
    pub broker: Broker,
    pub database: Database,
}

impl Servers {
    /// Starts both.
    pub async fn start() -> Self {
        let (broker, database) = tokio::join!(Broker::start(), Database::start());
        Self { broker, database }
    }

    /// A platform on them, once the broker has saved its queues: a killed RabbitMQ 3.10 loses queues that are younger than
    /// about a second.
    pub async fn mesh(&self) -> Mesh {
        let mesh = Mesh::builder().on(self.storage()).start().await;
        for queue in [QUEUE, &format!("{QUEUE}.dlq")] {
            self.broker.has_saved(queue).await;
        }
        mesh
    }

    fn storage(&self) -> Storage {
        Storage::Servers { broker: self.broker.url(), database: self.database.url() }
    }
}

/// Where a platform stores documents and messages.
#[derive(Debug, Clone, Default)]
pub enum Storage {
    /// In files of its data directory.
    #[default]
    Embedded,
    /// On servers, by their URLs.
    Servers { broker: String, database: String },
}

impl Storage {
    /// The variables that configure it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Embedded => Vec::new(),
            Self::Servers { broker, database } => {
                vec![("RABBITMQ_CONN", broker.clone()), ("MONGO_CONN", database.clone())]
            }
        }
    }
}

impl Mesh {
    /// `octet audit` of the platform; arguments can be added.
    pub fn audit(&self) -> Command {
        let mut audit = octet();
        audit.arg("audit").envs(self.storage().environment());
        if matches!(self.storage(), Storage::Embedded) {
            audit.arg("--data").arg(self.data());
        }
        audit
    }

    /// The documents of a service.
    pub async fn documents(&self, service: &str) -> Documents {
        let collection = if service == "service-f" { "messages" } else { "greetings" };
        let inspect: Box<dyn StoreInspect> = match self.storage() {
            Storage::Embedded => Box::new(SqliteStoreInspect::new(SqliteStoreSettings::new(
                self.data().join("store"),
                service,
                collection,
            ))),
            Storage::Servers { database, .. } => {
                let address = database.parse().expect("a URL");
                let settings = MongoSettings::new(address, service, collection);
                Box::new(MongoStoreInspect::open(settings).await.expect("opens"))
            }
        };
        Documents(inspect)
    }

    /// The inspector of the queue between D and F.
    pub async fn queue(&self) -> Box<dyn QueueInspect> {
        match self.storage() {
            Storage::Embedded => Box::new(SqliteQueueInspect::new(&self.embedded_queue())),
            Storage::Servers { broker, .. } => {
                Box::new(RabbitQueueInspect::open(&of_broker(broker)).await.expect("opens"))
            }
        }
    }

    /// Another publisher on the queue between D and F.
    pub async fn publisher(&self) -> Arc<dyn Publisher> {
        match self.storage() {
            Storage::Embedded => Arc::new(SqlitePublisher::open(self.embedded_queue()).await.expect("opens")),
            Storage::Servers { broker, .. } => {
                Arc::new(RabbitPublisher::open(of_broker(broker)).await.expect("opens"))
            }
        }
    }

    fn embedded_queue(&self) -> SqliteQueueSettings {
        SqliteQueueSettings::new(self.data().join("queue"), QUEUE)
    }
}

fn of_broker(url: &str) -> RabbitSettings {
    RabbitSettings::new(url.parse().expect("a URL"), QUEUE)
}
