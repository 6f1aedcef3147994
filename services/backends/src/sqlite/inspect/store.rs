//! Inspecting a collection.

use std::collections::HashMap;

use async_trait::async_trait;
use rusqlite::{OptionalExtension, types::ValueRef};

use super::{
    super::{file::quoted, settings::SqliteStoreSettings},
    Found, ids_where, look, number,
};
use crate::inspect::{Fingerprint, InspectError, StoreInspect};

/// Inspects a collection in a SQLite file.
pub struct SqliteStoreInspect {
    settings: SqliteStoreSettings,
}

impl SqliteStoreInspect {
    /// An inspector of the collection; opens nothing yet.
    pub fn new(settings: SqliteStoreSettings) -> Self {
        Self { settings }
    }
}

#[async_trait]
impl StoreInspect for SqliteStoreInspect {
    async fn count(&self) -> Result<u64, InspectError> {
        let sql = format!("SELECT count(*) FROM {}", quoted(&self.settings.collection));
        look(self.settings.path(), self.settings.collection.clone(), move |connection| {
            number(connection, &sql, [])
        })
        .await
    }

    async fn missing(&self, ids: &[String]) -> Result<Vec<String>, InspectError> {
        let sql = format!("SELECT 1 FROM {} WHERE _id = ?1", quoted(&self.settings.collection));
        let ids = ids.to_vec();
        look(self.settings.path(), self.settings.collection.clone(), move |connection| {
            ids_where(connection, &sql, &ids, Found::Nothing)
        })
        .await
    }

    async fn fingerprints(&self, ids: &[String]) -> Result<HashMap<String, Fingerprint>, InspectError> {
        let fields = Fingerprint::FIELDS.join(", ");
        let sql = format!("SELECT {fields} FROM {} WHERE _id = ?1", quoted(&self.settings.collection));
        let ids = ids.to_vec();
        look(self.settings.path(), self.settings.collection.clone(), move |connection| {
            let mut statement = connection.prepare(&sql)?;
            let mut found = HashMap::new();
            for id in ids {
                let fingerprint = statement.query_row([&id], |row| {
                    let values = [row.get_ref(0)?, row.get_ref(1)?, row.get_ref(2)?, row.get_ref(3)?];
                    Ok(Fingerprint::of(values.map(|value| match value {
                        ValueRef::Text(text) | ValueRef::Blob(text) => Some(text),
                        // A field of another type was changed by hand, and differs from every text.
                        _ => Some(&[0xff][..]),
                    })))
                });
                if let Some(fingerprint) = fingerprint.optional()? {
                    found.insert(id, fingerprint);
                }
            }
            Ok(found)
        })
        .await
    }
}
