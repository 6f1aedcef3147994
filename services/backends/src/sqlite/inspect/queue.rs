//! Inspecting a queue.

use std::{path::PathBuf, time::SystemTime};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    super::{
        queue_tables::{REDELIVERED, latest_end, moment, now},
        settings::SqliteQueueSettings,
    },
    Found, ids_where, look, number,
};
use crate::inspect::{DeadLetter, InspectError, Pending, QueueDepth, QueueInspect, Sight};

/// Inspects a SQLite queue, without leasing anything.
pub struct SqliteQueueInspect {
    path: PathBuf,
}

impl SqliteQueueInspect {
    /// An inspector of the queue; opens nothing yet. It uses only the path of the settings.
    pub fn new(settings: &SqliteQueueSettings) -> Self {
        Self { path: settings.path() }
    }

    async fn look<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, InspectError> {
        look(self.path.clone(), "counters".to_owned(), what).await
    }
}

#[async_trait]
impl QueueInspect for SqliteQueueInspect {
    fn sight(&self) -> Sight {
        Sight::Everything
    }

    async fn depth(&self) -> Result<QueueDepth, InspectError> {
        self.look(|connection| {
            let now = now();
            let all = number(connection, "SELECT count(*) FROM messages", [])?;
            let leased = number(
                connection,
                "SELECT count(*) FROM messages WHERE leased_until > ?1 AND leased_until <= ?2",
                [now, latest_end(now)],
            )?;
            let dead_lettered = number(connection, "SELECT count(*) FROM dead_letters", [])?;
            let redelivered =
                number(connection, "SELECT value FROM counters WHERE name = ?1", [REDELIVERED])?;
            Ok(QueueDepth { ready: all.saturating_sub(leased), leased, dead_lettered, redelivered })
        })
        .await
    }

    async fn oldest_ready(&self) -> Result<Option<SystemTime>, InspectError> {
        self.look(|connection| {
            let now = now();
            let published = connection
                .query_row(
                    "SELECT published FROM messages WHERE leased_until <= ?1 OR leased_until > ?2 ORDER BY seq LIMIT 1",
                    [now, latest_end(now)],
                    |row| row.get(0),
                )
                .optional()?;
            Ok(published.and_then(moment))
        })
        .await
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, InspectError> {
        self.look(move |connection| {
            connection
                .prepare(
                    "SELECT id, reason, attempts, dead_lettered FROM dead_letters ORDER BY seq DESC LIMIT ?1",
                )?
                .query_map(params![limit], |row| {
                    Ok(DeadLetter {
                        id: row.get(0)?,
                        reason: row.get(1)?,
                        // Copied from a row that another SQLite client may have edited.
                        attempts: row.get(2).unwrap_or_default(),
                        at: moment(row.get(3)?),
                    })
                })?
                .collect()
        })
        .await
    }

    async fn pending(&self, ids: &[String]) -> Result<Pending, InspectError> {
        let ids = ids.to_vec();
        self.look(move |connection| {
            let queued = "SELECT 1 FROM messages WHERE id = ?1";
            let dead_lettered = "SELECT 1 FROM dead_letters WHERE id = ?1";
            Ok(Pending {
                queued: ids_where(connection, queued, &ids, Found::Row)?,
                dead_lettered: ids_where(connection, dead_lettered, &ids, Found::Row)?,
            })
        })
        .await
    }
}
