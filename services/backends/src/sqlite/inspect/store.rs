//! Inspecting a collection.

use async_trait::async_trait;

use super::{
    super::{file::quoted, settings::SqliteStoreSettings},
    Found, ids_where, look, number,
};
use crate::inspect::{InspectError, StoreInspect};

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
}
