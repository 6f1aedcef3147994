//! Reading a collection in the order of insertion.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row};

use super::{
    super::{file::quoted, settings::SqliteStoreSettings},
    look,
};
use crate::{
    inspect::InspectError,
    scan::{ScanOrder, ScanPosition, Scanned, StoreScan},
    store::Document,
};

/// Reads a collection in a SQLite file. One connection writes at a time, and rows get growing numbers, so their order is
/// that of insertion.
pub struct SqliteStoreScan {
    settings: SqliteStoreSettings,
}

impl SqliteStoreScan {
    /// Reads the collection; opens nothing yet.
    pub fn new(settings: SqliteStoreSettings) -> Self {
        Self { settings }
    }
}

#[async_trait]
impl StoreScan for SqliteStoreScan {
    fn order(&self) -> ScanOrder {
        ScanOrder::Insertion
    }

    async fn after(&self, position: Option<&ScanPosition>, limit: u32) -> Result<Vec<Scanned>, InspectError> {
        let table = quoted(&self.settings.collection);
        let after = position.cloned();
        let found = look(self.settings.path(), self.settings.collection.clone(), move |connection| {
            let row = match &after {
                None => Some(i64::MIN),
                Some(position) => current_row(connection, &table, position)?,
            };
            row.map(|row| read(connection, &table, row, limit)).transpose()
        });
        found.await?.ok_or_else(|| {
            let id = position.map(|position| position.id.as_str()).unwrap_or_default();
            InspectError::Absent(format!("document {id} in {}", self.settings.path().display()))
        })
    }
}

/// The number of a row: VACUUM changes it, and keeps the order.
fn current_row(
    connection: &Connection,
    table: &str,
    position: &ScanPosition,
) -> rusqlite::Result<Option<i64>> {
    let sql = format!("SELECT rowid FROM {table} WHERE _id = ?1");
    connection.query_row(&sql, [&position.id], |row| row.get(0)).optional()
}

fn read(connection: &Connection, table: &str, after: i64, limit: u32) -> rusqlite::Result<Vec<Scanned>> {
    let columns = "rowid, _id, service, message, created, hostname";
    let sql = format!("SELECT {columns} FROM {table} WHERE rowid > ?1 ORDER BY rowid LIMIT ?2");
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map((after, limit), scanned)?;
    rows.collect()
}

fn scanned(row: &Row<'_>) -> rusqlite::Result<Scanned> {
    let id: String = row.get(1)?;
    Ok(Scanned {
        position: ScanPosition { row: row.get(0)?, id: id.clone() },
        document: Document {
            id,
            service: row.get(2)?,
            message: row.get(3)?,
            created: row.get(4)?,
            hostname: row.get(5)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{sqlite::SqliteStore, store::DocumentStore as _};

    fn document(id: u32) -> Document {
        let text = |name: &str| format!("{name} {id}");
        Document {
            id: format!("id-{}", 1_000 - id),
            service: text("service"),
            message: text("é"),
            created: text("created"),
            hostname: text("host"),
        }
    }

    #[tokio::test]
    async fn documents_come_in_the_order_of_insertion_also_after_a_vacuum() {
        let directory = tempfile::tempdir().expect("a directory");
        let settings = SqliteStoreSettings::new(directory.path(), "service-c", "greetings");
        let scan = SqliteStoreScan::new(settings.clone());
        assert!(matches!(scan.after(None, 10).await, Err(InspectError::Absent(_))));
        let store = SqliteStore::open(settings.clone()).await.expect("a store");
        for id in 0..5 {
            store.insert(&document(id)).await.expect("an insert");
        }
        let first = scan.after(None, 2).await.expect("documents");
        assert_eq!(
            first.iter().map(|scanned| &scanned.document).collect::<Vec<_>>(),
            [&document(0), &document(1)]
        );
        drop(store);
        let changed = Connection::open(settings.path()).expect("the file");
        changed.execute_batch("DELETE FROM greetings WHERE _id = 'id-1000'; VACUUM").expect("a vacuum");
        let rest = scan.after(Some(&first[1].position), 10).await.expect("documents");
        assert_eq!(
            rest.iter().map(|scanned| &scanned.document.id).collect::<Vec<_>>(),
            ["id-998", "id-997", "id-996"]
        );
        let last = rest.last().map(|scanned| scanned.position.clone());
        assert_eq!(scan.after(last.as_ref(), 10).await.expect("documents"), []);
        changed.execute_batch("DELETE FROM greetings").expect("a delete");
        assert!(matches!(scan.after(last.as_ref(), 10).await, Err(InspectError::Absent(_))));
    }
}
