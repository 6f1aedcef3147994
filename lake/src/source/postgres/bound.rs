//! Which rows are final: no transaction that is still open can add a row before them.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::time::Instant;
use tokio_postgres::Client;

use super::connection::APPLICATION;
use crate::LakeError;

/// A moment of the database's clock, and the transactions that were open then.
///
/// A transaction that starts later takes a later `now()`. So rows before the moment are final once all of these
/// transactions have ended. No privilege is needed: `pg_locks` shows every role the virtual transaction of every session,
/// and `pg_stat_activity` its database and `application_name`.
#[derive(Debug)]
pub struct Sample {
    moment: i64,
    open: HashSet<Transaction>,
    since: Instant,
}

/// Each session in a transaction holds a lock on its virtual transaction. Left out are sessions of other databases and of
/// Octet itself, `$1`, and autovacuum's workers, which have a database and no user: none of them writes rows.
const SESSIONS: &str = "SELECT l.virtualtransaction, l.pid, a.application_name FROM pg_locks l \
     LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
     WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid() \
     AND COALESCE(a.datid = (SELECT oid FROM pg_database WHERE datname = current_database()), true) \
     AND NOT COALESCE(a.datid IS NOT NULL AND a.usesysid IS NULL, false) \
     AND NOT COALESCE(a.application_name = ANY($1), false)";

/// A prepared transaction has no session.
const PREPARED: &str = "SELECT transaction::text FROM pg_prepared_xacts WHERE database = current_database()";

/// A transaction, and who holds it open.
type Open = HashMap<Transaction, String>;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Transaction {
    Session(String),
    Prepared(String),
}

impl Sample {
    /// Takes the clock first, then the open transactions: in the other order, one could start between the two unseen.
    /// The moment is `guard` ago, for clocks and for sessions that are about to register. Sessions whose
    /// `application_name` is in `ignored` do not count.
    ///
    /// # Errors
    /// [`LakeError::Database`].
    pub async fn take(client: &Client, guard: Duration, ignored: &[String]) -> Result<Self, LakeError> {
        let clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8";
        let now: i64 = client.query_one(clock, &[]).await?.try_get(0)?;
        let guard = i64::try_from(guard.as_micros()).unwrap_or(i64::MAX);
        let open = open(client, ignored).await?.into_keys().collect();
        Ok(Self { moment: now.saturating_sub(guard), open, since: Instant::now() })
    }

    /// Rows with a timestamp before this moment, in microseconds since 1970, are final, once this is `Some`.
    ///
    /// # Errors
    /// [`LakeError::Database`].
    pub async fn bound(&mut self, client: &Client, ignored: &[String]) -> Result<Option<i64>, LakeError> {
        if !self.open.is_empty() {
            let still = open(client, ignored).await?;
            let before = self.open.len();
            self.open.retain(|transaction| still.contains_key(transaction));
            if self.open.len() < before {
                // One that is not in a session any more may have been prepared.
                let prepared = still.into_keys().filter(|open| matches!(open, Transaction::Prepared(_)));
                self.open.extend(prepared);
            }
        }
        Ok(self.open.is_empty().then_some(self.moment))
    }

    /// Who still has a transaction of the sample open.
    ///
    /// # Errors
    /// [`LakeError::Database`].
    pub async fn holders(&self, client: &Client, ignored: &[String]) -> Result<Vec<String>, LakeError> {
        let open = open(client, ignored).await?.into_iter();
        Ok(open
            .filter(|(transaction, _)| self.open.contains(transaction))
            .map(|(_, holder)| holder)
            .collect())
    }

    /// How long ago the sample was taken.
    pub fn age(&self) -> Duration {
        self.since.elapsed()
    }
}

/// Sessions first: a transaction that is prepared between the two queries is then seen twice, and not missed.
async fn open(client: &Client, ignored: &[String]) -> Result<Open, LakeError> {
    let ignored: Vec<&str> = ignored.iter().map(String::as_str).chain([APPLICATION]).collect();
    let mut found = Open::new();
    for row in client.query(SESSIONS, &[&ignored]).await? {
        let (pid, name): (Option<i32>, Option<String>) = (row.try_get(1)?, row.try_get(2)?);
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "no application_name".to_owned());
        let holder = pid.map_or_else(|| name.clone(), |pid| format!("pid {pid} ({name})"));
        found.insert(Transaction::Session(row.try_get(0)?), holder);
    }
    for row in client.query(PREPARED, &[]).await? {
        found.insert(Transaction::Prepared(row.try_get(0)?), "a prepared transaction".to_owned());
    }
    Ok(found)
}
