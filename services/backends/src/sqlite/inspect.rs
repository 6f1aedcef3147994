//! Inspecting the files, read-only, from any process, whether or not the services run.
//!
//! Each call opens the file: it may be created, deleted or replaced between two calls. Reading a WAL file needs its
//! `-shm` file, so the directory must be writable unless a service has the file open.

mod queue;
mod scan;
mod store;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Params};
use tokio::task;

use super::{busy, failure};
use crate::inspect::InspectError;

pub use queue::SqliteQueueInspect;
pub use scan::SqliteStoreScan;
pub use store::SqliteStoreInspect;

/// Runs `look` on a read-only connection to the file, on a thread where it may block, in one transaction: all that it
/// reads is of one moment. A file without `table` counts as absent.
async fn look<T: Send + 'static>(
    path: PathBuf,
    table: String,
    look: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, InspectError> {
    let looking = task::spawn_blocking(move || {
        let mut connection = open(&path)?;
        let found = connection.transaction().and_then(|transaction| {
            let exists = transaction
                .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE")?
                .exists([&table])?;
            if exists { look(&transaction).map(Some) } else { Ok(None) }
        });
        match found {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(InspectError::Absent(format!("table {table} in {}", path.display()))),
            Err(error) => Err(unavailable(&error)),
        }
    });
    looking.await.unwrap_or_else(|error| Err(InspectError::Unavailable(error.to_string())))
}

fn open(path: &Path) -> Result<Connection, InspectError> {
    if matches!(path.try_exists(), Ok(false)) {
        return Err(InspectError::Absent(format!("file {}", path.display())));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| unavailable(&error))?;
    connection.busy_handler(Some(busy::busy_handler())).map_err(|error| unavailable(&error))?;
    Ok(connection)
}

fn unavailable(error: &rusqlite::Error) -> InspectError {
    InspectError::Unavailable(failure::reason(error))
}

/// The `ids` for which `sql` finds a row, or finds none.
fn ids_where(
    connection: &Connection,
    sql: &str,
    ids: &[String],
    wanted: Found,
) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(sql)?;
    let mut matching = Vec::new();
    for id in ids {
        if statement.exists([id])? == (wanted == Found::Row) {
            matching.push(id.clone());
        }
    }
    Ok(matching)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Row,
    Nothing,
}

/// The number that `sql` returns.
fn number(connection: &Connection, sql: &str, parameters: impl Params) -> rusqlite::Result<u64> {
    let number: i64 = connection.query_row(sql, parameters, |row| row.get(0))?;
    Ok(u64::try_from(number).unwrap_or_default())
}
