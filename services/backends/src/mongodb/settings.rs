//! The settings of a store in MongoDB.

use std::time::Duration;

use super::address::MongoAddress;
use crate::open::{self, OpenError};

/// MongoDB's limit for a database's name, in bytes.
const MAX_DATABASE: usize = 63;
/// The limit of old versions for the names of database and collection together, in bytes.
const MAX_NAMESPACE: usize = 120;

/// One collection of one database.
#[derive(Debug, Clone, PartialEq)]
pub struct MongoSettings {
    /// The servers, and the options of the connections.
    pub address: MongoAddress,
    /// The database; the first insert creates it. At most 63 bytes.
    pub database: String,
    /// The collection; the first insert creates it. Its name and the database's have at most 119 bytes together.
    pub collection: String,
    /// After this, an insert without an answer is `Unavailable`; at least 100 ms. Default 10 s.
    pub operation_timeout: Duration,
}

impl MongoSettings {
    /// The collection's settings, with the default timeout.
    pub fn new(address: MongoAddress, database: &str, collection: &str) -> Self {
        Self {
            address,
            database: database.to_owned(),
            collection: collection.to_owned(),
            operation_timeout: Duration::from_secs(10),
        }
    }

    pub(super) fn check(&self) -> Result<(), OpenError> {
        let (database, collection) = (&self.database, &self.collection);
        open::check(&[
            (!database.is_empty() && database.len() <= MAX_DATABASE, "database", "must have 1 to 63 bytes"),
            (
                !database.contains(['/', '\\', '.', ' ', '"', '$', '*', '<', '>', ':', '|', '?', '\0']),
                "database",
                "must not contain a space, a NUL or one of /\\.\"$*<>:|?",
            ),
            (!collection.is_empty(), "collection", "must not be empty"),
            (
                database.len() + collection.len() < MAX_NAMESPACE,
                "collection",
                "must have at most 119 bytes together with the database's name",
            ),
            (!collection.contains(['$', '\0']), "collection", "must not contain a $ or a NUL"),
            (
                !collection.starts_with("system.")
                    && !collection.starts_with('.')
                    && !collection.ends_with('.'),
                "collection",
                "must not start with system. and must not start or end with a dot",
            ),
            (
                self.operation_timeout >= Duration::from_millis(100),
                "operation_timeout",
                "must be at least 100 ms",
            ),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(database: &str, collection: &str) -> Option<&'static str> {
        let address = "mongodb://localhost".parse().unwrap();
        match MongoSettings::new(address, database, collection).check() {
            Ok(()) => None,
            Err(OpenError::Invalid { setting, .. }) => Some(setting),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn names_that_the_server_refuses_are_refused() {
        let (longest, rest) = ("d".repeat(63), "c".repeat(56));
        assert_eq!(fault("service-c", "greetings"), None);
        assert_eq!(fault(&longest, &rest), None);
        for database in ["", "a.b", "a b", "a$b", "a/b", "a\0", &"d".repeat(64)] {
            assert_eq!(fault(database, "greetings"), Some("database"), "{database:?}");
        }
        let too_long = format!("{rest}c");
        for collection in ["", "a$b", "a\0", "system.users", ".a", "a.", &too_long] {
            assert_eq!(fault(&longest, collection), Some("collection"), "{collection:?}");
        }
    }

    #[test]
    fn a_timeout_that_is_too_short_is_refused() {
        let address = "mongodb://localhost".parse().unwrap();
        let settings = MongoSettings {
            operation_timeout: Duration::from_millis(99),
            ..MongoSettings::new(address, "service-c", "greetings")
        };
        assert_eq!(settings.check().unwrap_err().to_string(), "operation_timeout must be at least 100 ms");
    }
}
