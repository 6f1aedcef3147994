//! The store and the queue of a process: parsed from the environment, opened by role. No other code knows which adapter
//! is behind a port.

mod queue;
mod store;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use octet_runtime::environment::Environment;

pub use queue::QueueConnection;
pub use store::StoreConnection;

/// The databases and the broker of one process.
#[derive(Debug, Clone, PartialEq)]
pub struct Connections {
    /// The databases.
    pub store: StoreConnection,
    /// The queues.
    pub queue: QueueConnection,
}

impl Connections {
    /// Reads `MONGO_CONN` or `STORE_URL` (`sqlite:DIRECTORY`), and `RABBITMQ_CONN` or `QUEUE_URL` likewise.
    /// `MONGO_CONN` and `RABBITMQ_CONN` can also come from the files that `MONGO_CONN_FILE` and `RABBITMQ_CONN_FILE`
    /// name.
    ///
    /// Setting both of a pair is a fault: one of them would silently stay empty.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        Self {
            store: StoreConnection::from_environment(environment),
            queue: QueueConnection::from_environment(environment),
        }
    }

    /// The embedded stores and queues of `octet up --data DIRECTORY`.
    pub fn embedded(directory: &Path) -> Self {
        Self {
            store: StoreConnection::Sqlite(directory.join("store")),
            queue: QueueConnection::Sqlite(directory.join("queue")),
        }
    }
}

/// A server's address or, in the error case, an embedded store's directory, which is also the default.
fn address_or_directory<Address, E: std::fmt::Display>(
    environment: &mut Environment<'_>,
    (server, embedded): (&str, &str),
    default: &str,
    parse: impl FnOnce(&str) -> Result<Address, E>,
) -> Result<Address, PathBuf> {
    let address = environment.secret(server);
    let directory = sqlite(environment, embedded);
    let Some(address) = address else {
        return Err(directory.unwrap_or_else(|| PathBuf::from(default)));
    };
    if directory.is_some() {
        environment.fault(embedded, format!("must not be set together with {server}: unset one of them"));
    }
    parse(&address).map_err(|error| {
        // The adapter's message contains no part of the address.
        environment.fault(server, error.to_string());
        PathBuf::new()
    })
}

fn sqlite(environment: &mut Environment<'_>, variable: &str) -> Option<PathBuf> {
    let allowed = "sqlite:DIRECTORY, for example sqlite:.octet/store";
    environment.optional(variable, allowed, |text| {
        let directory = text.strip_prefix("sqlite:").unwrap_or_default();
        let directory = directory.strip_prefix("//").unwrap_or(directory);
        if directory.is_empty() || directory.contains(['?', '\0']) {
            return Err(());
        }
        Ok(PathBuf::from(directory))
    })
}
