//! The queues of a process.

use std::{path::PathBuf, sync::Arc};

use octet_backends::{
    OpenError,
    inspect::QueueInspect,
    queue::{Consumer, Publisher},
    rabbitmq::{RabbitAddress, RabbitConsumer, RabbitPublisher, RabbitQueueInspect, RabbitSettings},
    sqlite::{SqliteConsumer, SqlitePublisher, SqliteQueueInspect, SqliteQueueSettings},
};
use octet_runtime::environment::Environment;
use octet_topology::QueueName;

use crate::{consume::PREFETCH, observed::ServerAttributes};

const SERVER: &str = "RABBITMQ_CONN";
const EMBEDDED: &str = "QUEUE_URL";

/// Where a process's queues are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueConnection {
    /// A directory with one SQLite file a queue.
    Sqlite(PathBuf),
    /// RabbitMQ or Amazon MQ. Its `Debug` form contains no password.
    Rabbit(RabbitAddress),
}

impl QueueConnection {
    pub(super) fn from_environment(environment: &mut Environment<'_>) -> Self {
        super::address_or_directory(environment, (SERVER, EMBEDDED), ".octet/queue", str::parse)
            .map_or_else(Self::Sqlite, Self::Rabbit)
    }

    /// The broker's kind, as OpenTelemetry's conventions spell it.
    pub(crate) fn system(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Rabbit(_) => "rabbitmq",
        }
    }

    /// The broker, for spans.
    pub(crate) fn server(&self) -> Option<ServerAttributes> {
        match self {
            Self::Sqlite(_) => None,
            Self::Rabbit(address) => {
                Some(ServerAttributes { address: address.host().to_owned(), port: Some(address.port()) })
            }
        }
    }

    /// The variable that configures it, for error messages.
    pub fn variable(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => EMBEDDED,
            Self::Rabbit(_) => SERVER,
        }
    }

    /// Opens a queue to publish on.
    ///
    /// # Errors
    /// [`OpenError`] when the queue can never be used; a passing failure is reported by the queue's own calls.
    pub async fn publisher(&self, queue: &QueueName) -> Result<Arc<dyn Publisher>, OpenError> {
        Ok(match self {
            Self::Sqlite(directory) => Arc::new(SqlitePublisher::open(sqlite(directory, queue)).await?),
            Self::Rabbit(address) => Arc::new(RabbitPublisher::open(rabbit(address, queue)).await?),
        })
    }

    /// Opens a queue to take messages from.
    ///
    /// # Errors
    /// As [`publisher`](Self::publisher).
    pub(crate) async fn consumer(&self, queue: &QueueName) -> Result<Arc<dyn Consumer>, OpenError> {
        Ok(match self {
            Self::Sqlite(directory) => Arc::new(SqliteConsumer::open(sqlite(directory, queue)).await?),
            Self::Rabbit(address) => Arc::new(RabbitConsumer::open(rabbit(address, queue)).await?),
        })
    }

    /// Inspects a queue, for the audit.
    ///
    /// # Errors
    /// As [`publisher`](Self::publisher); whether the queue exists is reported by the inspection.
    pub async fn inspect(&self, queue: &QueueName) -> Result<Arc<dyn QueueInspect>, OpenError> {
        Ok(match self {
            Self::Sqlite(directory) => Arc::new(SqliteQueueInspect::new(&sqlite(directory, queue))),
            Self::Rabbit(address) => Arc::new(RabbitQueueInspect::open(&rabbit(address, queue)).await?),
        })
    }
}

fn sqlite(directory: &PathBuf, queue: &QueueName) -> SqliteQueueSettings {
    SqliteQueueSettings {
        prefetch: u32::from(PREFETCH),
        ..SqliteQueueSettings::new(directory, queue.as_str())
    }
}

fn rabbit(address: &RabbitAddress, queue: &QueueName) -> RabbitSettings {
    RabbitSettings { prefetch: PREFETCH, ..RabbitSettings::new(address.clone(), queue.as_str()) }
}
