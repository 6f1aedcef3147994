//! Which collection of which server, and how long a call may take.

use std::time::Duration;

use super::address::MongoAddress;
use crate::OpenError;

/// MongoDB's own limit for a database's name, in bytes.
const LONGEST_DATABASE: usize = 63;
/// What is left for the collection's name where a namespace may have 120 bytes, as in old versions.
const LONGEST_NAMESPACE: usize = 120;

/// One collection of one database.
#[derive(Debug, Clone, PartialEq)]
pub struct MongoSettings {
    /// Where the servers are, and how they are spoken to.
    pub address: MongoAddress,
    /// The database; made by the first insert. At most 63 bytes.
    pub database: String,
    /// The collection; made by the first insert. Its name and the database's have at most 119 bytes together.
    pub collection: String,
    /// An insert that has no answer by then is `Unavailable`; at least 100 ms. Default 10 s.
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
        let rules = [
            (
                !database.is_empty() && database.len() <= LONGEST_DATABASE,
                "database",
                "must have 1 to 63 bytes",
            ),
            (
                !database.contains(['/', '\\', '.', ' ', '"', '$', '*', '<', '>', ':', '|', '?', '\0']),
                "database",
                "must not hold a blank or one of /\\.\"$*<>:|? or a NUL",
            ),
            (!collection.is_empty(), "collection", "must not be empty"),
            (
                database.len() + collection.len() < LONGEST_NAMESPACE,
                "collection",
                "must have at most 119 bytes together with the database's name",
            ),
            (!collection.contains(['$', '\0']), "collection", "must not hold a $ or a NUL"),
            (
                !collection.starts_with("system.")
                    && !collection.starts_with('.')
                    && !collection.ends_with('.'),
                "collection",
                "must not start with system. or begin or end with a dot",
            ),
            (
                self.operation_timeout >= Duration::from_millis(100),
                "operation_timeout",
                "must be at least 100 ms",
            ),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            Some((_, setting, rule)) => Err(OpenError::Invalid { setting, rule }),
            None => Ok(()),
        }
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
    fn names_that_the_server_would_refuse_are_a_fault() {
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
    fn a_timeout_that_no_server_can_keep_is_a_fault() {
        let address = "mongodb://localhost".parse().unwrap();
        let settings = MongoSettings {
            operation_timeout: Duration::from_millis(99),
            ..MongoSettings::new(address, "service-c", "greetings")
        };
        assert_eq!(settings.check().unwrap_err().to_string(), "operation_timeout must be at least 100 ms");
    }
}
