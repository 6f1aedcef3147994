//! Stores that a configuration names: `jdbc:sqlite:` and `mongodb://`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use octet_backends::{
    mongodb::{MongoAddress, MongoSettings, MongoStoreInspect},
    scan::StoreScan,
    sqlite::{SqliteStoreScan, SqliteStoreSettings},
};

use crate::{Findings, Keys, LakeError};

/// A store of Octet, and its topic.
#[derive(Debug, Clone)]
pub(crate) struct StoreAddress {
    pub(super) topic: String,
    database: Database,
    collection: String,
}

#[derive(Debug, Clone)]
enum Database {
    /// The directory, and the file's name without `.sqlite`.
    Sqlite(PathBuf, String),
    Mongo(Box<MongoAddress>, String),
}

impl StoreAddress {
    pub(super) async fn open(&self) -> Result<Arc<dyn StoreScan>, LakeError> {
        Ok(match &self.database {
            Database::Sqlite(directory, database) => {
                let settings = SqliteStoreSettings::new(directory, database, &self.collection);
                Arc::new(SqliteStoreScan::new(settings))
            }
            Database::Mongo(address, database) => {
                let settings = MongoSettings::new(address.as_ref().clone(), database, &self.collection);
                let opened = MongoStoreInspect::open(settings).await;
                Arc::new(opened.map_err(|error| LakeError::Refused(error.to_string()))?)
            }
        })
    }
}

/// A source of stores.
#[derive(Debug, Clone)]
pub(crate) struct StoresOptions {
    pub(crate) name: String,
    pub(crate) stores: Vec<StoreAddress>,
    pub(crate) poll_interval: Duration,
}

impl StoresOptions {
    /// Whether the keys are those of such a source.
    pub(crate) fn is_meant(keys: &mut Keys) -> bool {
        let url = keys.take("connection.url").unwrap_or_default();
        ["jdbc:sqlite:", "mongodb://", "mongodb+srv://"].iter().any(|scheme| url.starts_with(scheme))
    }

    /// Takes the source's keys; `None` after an error without which the rest means nothing.
    pub(crate) fn take(keys: &mut Keys, findings: &mut Findings) -> Option<Self> {
        let name = keys.connector.clone();
        let url = keys.take("connection.url").unwrap_or_default();
        let path = url.strip_prefix("jdbc:sqlite:").map(str::to_owned);
        let column = if path.is_some() { "rowid" } else { "_id" };
        keys.one_of("mode", (), &[("incrementing", ())], findings);
        keys.one_of("incrementing.column.name", (), &[(column, ())], findings);
        for key in ["connection.user", "connection.password"] {
            if keys.take(key).is_some() {
                findings.errors.push(format!("{name}: {key}: must be part of connection.url"));
            }
        }
        let database = match path {
            Some(path) => sqlite(&path),
            None => mongodb(&url, keys.take("database")),
        };
        let collections = keys.list("table.whitelist");
        if collections.is_empty() {
            let text = format!("{name}: table.whitelist must name the tables or collections of greetings");
            findings.errors.push(text);
        }
        let prefix = keys.take("topic.prefix").unwrap_or_default();
        let poll = keys.number("poll.interval.ms", 5_000, 10..=86_400_000, findings);
        let database = database.map_err(|problem| findings.errors.push(format!("{name}: {problem}"))).ok()?;
        let stores = collections.into_iter().map(|collection| StoreAddress {
            topic: format!("{prefix}{collection}"),
            database: database.clone(),
            collection,
        });
        Some(Self { stores: stores.collect(), poll_interval: Duration::from_millis(poll), name })
    }

    pub(crate) fn topics(&self) -> Vec<String> {
        self.stores.iter().map(|store| store.topic.clone()).collect()
    }
}

fn sqlite(path: &str) -> Result<Database, String> {
    let path = PathBuf::from(path);
    let stem = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".sqlite"));
    let (Some(stem), Some(directory)) = (stem.filter(|stem| !stem.is_empty()), path.parent()) else {
        return Err("connection.url: must be jdbc:sqlite:DIRECTORY/NAME.sqlite".to_owned());
    };
    let directory = if directory.as_os_str().is_empty() { ".".into() } else { directory.to_owned() };
    Ok(Database::Sqlite(directory, stem.to_owned()))
}

fn mongodb(url: &str, database: Option<String>) -> Result<Database, String> {
    let address: MongoAddress = url.parse().map_err(|error| format!("connection.url: {error}"))?;
    let database = database.filter(|database| !database.is_empty());
    let database = database.ok_or("database must be set: the name of the database")?;
    Ok(Database::Mongo(Box::new(address), database))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(pairs: &[(&str, &str)]) -> (Option<StoresOptions>, Vec<String>) {
        let values = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (mut keys, mut findings) = (Keys::new("s", values), Findings::default());
        assert!(StoresOptions::is_meant(&mut keys));
        (StoresOptions::take(&mut keys, &mut findings), findings.errors)
    }

    #[test]
    fn a_file_and_a_server_are_stores() {
        let (options, errors) = take(&[
            ("connection.url", "jdbc:sqlite:/data/store/service-f.sqlite"),
            ("table.whitelist", "messages,greetings"),
            ("topic.prefix", "f."),
            ("mode", "incrementing"),
            ("incrementing.column.name", "rowid"),
        ]);
        assert_eq!(errors, Vec::<String>::new());
        assert_eq!(options.expect("options").topics(), ["f.messages", "f.greetings"]);
        let (options, errors) = take(&[
            ("connection.url", "mongodb://u:p@h/"),
            ("database", "service-f"),
            ("table.whitelist", "messages"),
        ]);
        assert_eq!((options.is_some(), errors.len()), (true, 0));
    }

    #[test]
    fn every_fault_is_reported_without_the_password() {
        for (pairs, count) in [
            (vec![("connection.url", "jdbc:sqlite:messages.db"), ("mode", "bulk")], 3),
            (vec![("connection.url", "mongodb://u:s3cret@h/"), ("incrementing.column.name", "at")], 3),
            (
                vec![
                    ("connection.url", "mongodb://u:s3cret@h:x/"),
                    ("connection.user", "u"),
                    ("database", "d"),
                ],
                3,
            ),
        ] {
            let (_, errors) = take(&pairs);
            assert_eq!(errors.len(), count, "{errors:?}");
            assert!(!errors.concat().contains("s3cret"), "{errors:?}");
        }
    }
}
