//! A queue's tables, and their timestamps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{
    file::DatabaseFile,
    settings::{MAX_LEASE, SqliteQueueSettings},
};

/// The counter of deliveries that were not a message's first.
pub(super) const REDELIVERED: &str = "redelivered";

/// Timestamps are milliseconds since 1970, UTC, so that all processes of the host agree on them, also after its restart.
/// `seq` is the order of publishing. A message with `leased_until` 0 is ready; `token` identifies a lease.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS messages (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        published INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        leased_until INTEGER NOT NULL DEFAULT 0,
        token INTEGER NOT NULL DEFAULT 0,
        headers TEXT NOT NULL,
        body BLOB NOT NULL
    );
    CREATE TABLE IF NOT EXISTS dead_letters (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        published INTEGER NOT NULL,
        dead_lettered INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        reason TEXT NOT NULL,
        headers TEXT NOT NULL,
        body BLOB NOT NULL
    );
    CREATE INDEX IF NOT EXISTS dead_letters_by_id ON dead_letters (id);
    CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO counters (name, value) VALUES ('redelivered', 0) ON CONFLICT (name) DO NOTHING;
";

pub(super) fn queue_file(settings: &SqliteQueueSettings) -> DatabaseFile {
    DatabaseFile { path: settings.path(), schema: SCHEMA.to_owned(), durability: settings.durability }
}

/// Milliseconds since 1970 now; 0 before that.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    milliseconds(since)
}

pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The moment of a stored timestamp; `None` if it is out of range.
pub(super) fn moment(milliseconds: i64) -> Option<SystemTime> {
    let since = u64::try_from(milliseconds).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_millis(since))
}

/// A valid lease ends by then. One that ends later was taken before the clock was set back.
pub(super) fn latest_end(now: i64) -> i64 {
    now.saturating_add(milliseconds(MAX_LEASE))
}
