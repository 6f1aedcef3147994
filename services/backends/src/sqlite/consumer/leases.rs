//! The statements of a consumer: taking, renewing and ending leases.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{
    queue_tables::{REDELIVERED, latest_end, milliseconds, moment},
    settings::SqliteQueueSettings,
};
use crate::queue::Message;

/// One lease of one message. `seq` is the row; `token`, random and used once, fences it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Lease {
    seq: i64,
    token: i64,
}

/// A leased message.
pub(super) struct Leased {
    pub(super) lease: Lease,
    pub(super) message: Message,
    pub(super) attempt: u32,
    pub(super) published: Option<SystemTime>,
}

/// The result of taking leases.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) leased: Vec<Leased>,
    /// Ids and reasons of messages that were dead-lettered instead.
    pub(super) dead_lettered: Vec<(String, String)>,
}

/// How a lease ends.
pub(super) enum Outcome {
    Ack,
    DeadLetter(String),
    /// Back on the queue.
    Release,
    /// Back on the queue, without counting the attempt.
    GiveBack,
}

/// The terms on which leases are taken.
pub(super) struct Terms {
    lease: i64,
    delivery_limit: i64,
}

impl Terms {
    pub(super) fn of(settings: &SqliteQueueSettings) -> Self {
        Self { lease: milliseconds(settings.lease), delivery_limit: i64::from(settings.delivery_limit) }
    }

    /// Whether there is a message to take at `now`.
    ///
    /// Cheap enough to poll without an index: the leased rows are among the oldest and limited by the consumers' prefetch
    /// limits, so the scan passes them and ends at the first that is free.
    pub(super) fn is_any_free(connection: &Connection, now: i64) -> rusqlite::Result<bool> {
        connection
            .prepare_cached("SELECT 1 FROM messages WHERE leased_until <= ?1 OR leased_until > ?2 LIMIT 1")?
            .exists(params![now, latest_end(now)])
    }

    /// Leases the oldest free messages, at most `limit`. A message that was delivered too often, or whose row cannot be
    /// read, goes to the dead letters, so that it does not block others.
    pub(super) fn take(&self, connection: &Connection, limit: usize, now: i64) -> rusqlite::Result<Taken> {
        let mut taken = Taken::default();
        let mut redelivered: i64 = 0;
        for candidate in candidates(connection, limit, now)? {
            let unfit = match candidate.content {
                Ok(Content { message, attempts, published }) if attempts < self.delivery_limit => {
                    let lease = Lease { seq: candidate.seq, token: fastrand::i64(1..) };
                    self.begin(connection, lease, attempts + 1, now)?;
                    redelivered += i64::from(attempts > 0);
                    // The limit is a u32, and attempts are below it.
                    let attempt = u32::try_from(attempts + 1).unwrap_or(u32::MAX);
                    taken.leased.push(Leased { lease, message, attempt, published });
                    continue;
                }
                Ok(_) => format!("delivery limit of {} reached", self.delivery_limit),
                Err(unreadable) => unreadable.to_owned(),
            };
            let id = dead_letter(connection, candidate.seq, None, &unfit, now)?.unwrap_or_default();
            taken.dead_lettered.push((id, unfit));
        }
        if redelivered > 0 {
            connection
                .prepare_cached("UPDATE counters SET value = value + ?1 WHERE name = ?2")?
                .execute(params![redelivered, REDELIVERED])?;
        }
        Ok(taken)
    }

    /// Renews the lease from `now`. `false` when it is lost.
    pub(super) fn renew(&self, connection: &Connection, lease: Lease, now: i64) -> rusqlite::Result<bool> {
        let rows = connection
            .prepare_cached("UPDATE messages SET leased_until = ?3 WHERE seq = ?1 AND token = ?2")?
            .execute(params![lease.seq, lease.token, now.saturating_add(self.lease)])?;
        Ok(rows > 0)
    }

    fn begin(&self, connection: &Connection, lease: Lease, attempt: i64, now: i64) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "UPDATE messages SET token = ?2, leased_until = ?3, attempts = ?4 WHERE seq = ?1",
            )?
            .execute(params![lease.seq, lease.token, now.saturating_add(self.lease), attempt])?;
        Ok(())
    }
}

/// Ends the lease. `false`, without a change, when it is lost.
pub(super) fn settle(
    connection: &Connection,
    lease: Lease,
    outcome: &Outcome,
    now: i64,
) -> rusqlite::Result<bool> {
    let sql = match outcome {
        Outcome::DeadLetter(reason) => {
            return Ok(dead_letter(connection, lease.seq, Some(lease.token), reason, now)?.is_some());
        }
        Outcome::Ack => "DELETE FROM messages WHERE seq = ?1 AND token = ?2",
        Outcome::Release => "UPDATE messages SET token = 0, leased_until = 0 WHERE seq = ?1 AND token = ?2",
        Outcome::GiveBack => {
            "UPDATE messages SET token = 0, leased_until = 0, attempts = attempts - 1 \
             WHERE seq = ?1 AND token = ?2"
        }
    };
    Ok(connection.prepare_cached(sql)?.execute(params![lease.seq, lease.token])? > 0)
}

/// A row: its content, or which column cannot be read.
struct Candidate {
    seq: i64,
    content: Result<Content, &'static str>,
}

struct Content {
    message: Message,
    attempts: i64,
    published: Option<SystemTime>,
}

fn candidates(connection: &Connection, limit: usize, now: i64) -> rusqlite::Result<Vec<Candidate>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT seq, id, headers, body, attempts, published FROM messages \
             WHERE leased_until <= ?1 OR leased_until > ?2 ORDER BY seq LIMIT ?3",
        )?
        .query_map(params![now, latest_end(now), limit], |row| {
            Ok(Candidate { seq: row.get(0)?, content: content(row) })
        })?
        .collect()
}

/// The file may have been edited with an SQLite client, so any value may be of any type.
fn content(row: &Row<'_>) -> Result<Content, &'static str> {
    let id = row.get_ref(1).ok().and_then(|id| id.as_str().ok()).ok_or("the stored id is not text")?;
    let headers = row
        .get_ref(2)
        .ok()
        .and_then(|headers| serde_json::from_slice(headers.as_bytes().ok()?).ok())
        .ok_or("the stored headers are not a JSON array of [name, value] pairs")?;
    let body = row
        .get_ref(3)
        .ok()
        .and_then(|body| body.as_bytes().ok())
        .ok_or("the stored body is neither text nor blob")?;
    let attempts = row.get(4).map_err(|_| "the stored number of attempts is not a number")?;
    let published = row.get(5).ok().and_then(moment);
    Ok(Content {
        message: Message { id: id.to_owned(), headers, body: body.to_owned() },
        attempts: i64::max(attempts, 0),
        published,
    })
}

/// Moves a message to the dead letters, and returns its id; `None` when it does not exist, or has another token.
fn dead_letter(
    connection: &Connection,
    seq: i64,
    token: Option<i64>,
    reason: &str,
    now: i64,
) -> rusqlite::Result<Option<String>> {
    let id = connection
        .prepare_cached(
            "INSERT INTO dead_letters (id, published, dead_lettered, attempts, reason, headers, body) \
             SELECT id, published, ?3, attempts, ?4, headers, body FROM messages \
             WHERE seq = ?1 AND (?2 IS NULL OR token = ?2) RETURNING CAST(id AS TEXT)",
        )?
        .query_row(params![seq, token, now, reason], |row| {
            Ok(String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned())
        })
        .optional()?;
    if id.is_some() {
        connection.prepare_cached("DELETE FROM messages WHERE seq = ?1")?.execute(params![seq])?;
    }
    Ok(id)
}
