//! Which rows are final: no transaction that is still open can add a row before them.

use std::collections::HashSet;

use tokio_postgres::Client;

use crate::LakeError;

/// A moment of the database's clock, and the transactions that were open then.
///
/// A transaction that starts later takes a later `now()`. So rows before the moment are final once all of these
/// transactions have ended. No privilege is needed: `pg_locks` shows every role the virtual transaction of every session.
#[derive(Debug)]
pub struct Sample {
    moment: String,
    open: HashSet<String>,
}

/// Each session in a transaction holds a lock on its virtual transaction; a prepared transaction, which has no session,
/// holds one on its transaction id.
const OPEN: &str = "SELECT 'v' || virtualtransaction FROM pg_locks \
     WHERE locktype = 'virtualxid' AND mode = 'ExclusiveLock' AND granted AND pid <> pg_backend_pid() \
     UNION SELECT 'x' || transactionid::text FROM pg_locks \
     WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND pid IS NULL";

impl Sample {
    /// Takes the clock first, then the open transactions: in the other order, one could start between the two unseen.
    /// The moment is `guard` milliseconds ago, for clocks and for sessions that are about to register.
    ///
    /// # Errors
    /// [`LakeError::Database`].
    pub async fn take(client: &Client, guard: u32) -> Result<Self, LakeError> {
        prepare(client).await?;
        let moment = "SELECT (clock_timestamp() - $1 * interval '1 ms')::text";
        let moment = client.query_one(moment, &[&f64::from(guard)]).await?.try_get(0)?;
        Ok(Self { moment, open: open(client).await? })
    }

    /// Rows with a timestamp before this moment are final, once this is `Some`.
    ///
    /// # Errors
    /// [`LakeError::Database`].
    pub async fn bound(&mut self, client: &Client) -> Result<Option<&str>, LakeError> {
        if !self.open.is_empty() {
            let still = open(client).await?;
            self.open.retain(|transaction| still.contains(transaction));
        }
        Ok(self.open.is_empty().then_some(&self.moment))
    }
}

async fn open(client: &Client) -> Result<HashSet<String>, LakeError> {
    let rows = client.query(OPEN, &[]).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// Timestamps of positions and bounds are text: they must mean the same in every session, whatever the role's settings.
pub(crate) async fn prepare(client: &Client) -> Result<(), LakeError> {
    Ok(client.batch_execute("SET DateStyle TO 'ISO, YMD'; SET TimeZone TO 'UTC'").await?)
}
