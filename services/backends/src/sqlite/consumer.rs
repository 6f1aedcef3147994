//! The consumer's handle. Its thread runs a [`LeaseWorker`].

mod lease_worker;
mod leases;
mod settlement;

use std::sync::{Arc, mpsc};

use async_trait::async_trait;
use tokio::sync::oneshot;

use self::{
    lease_worker::{Command, LeaseWorker},
    leases::Leased,
    settlement::LeaseSettlement,
};
use super::{
    database::{Database, send},
    failure::{Unavailable, thread_has_ended},
    queue_tables,
    settings::SqliteQueueSettings,
};
use crate::{
    open::OpenError,
    prefetched::Prefetched,
    queue::{ConsumeError, Consumer, Delivery},
};

/// Consumes a SQLite queue, together with any number of other consumers, in this process and in others.
///
/// A message is leased to one consumer at a time, for [`SqliteQueueSettings::lease`]; the consumer's thread renews the
/// leases of all outstanding deliveries, however long their handlers take. When the process dies, the leases end and the
/// messages go to another consumer. Settling is fenced by the lease's token: after the loss of the lease it returns
/// `LeaseLost` and changes nothing.
///
/// Leases end at a moment of the host's clock. If it is set forward, leases end early and messages are delivered twice.
/// If it is set back, the messages of a dead consumer wait longer, at most a minute. No message is lost.
pub struct SqliteConsumer {
    prefetched: Arc<Prefetched<Leased>>,
    commands: mpsc::Sender<Command>,
}

impl SqliteConsumer {
    /// Opens the queue, creates directory, file and tables if they do not exist, checks that the file can be written, and
    /// starts to take messages, up to the prefetch limit.
    ///
    /// # Errors
    /// See [`OpenError`]. A damaged or locked file and a full disk are not errors: the consumer opens, is `Unavailable`,
    /// and recovers with the file.
    pub async fn open(settings: SqliteQueueSettings) -> Result<Self, OpenError> {
        settings.check()?;
        let prefetched = Arc::new(Prefetched::default());
        let (commands, received) = mpsc::channel();
        let file = queue_tables::queue_file(&settings);
        let filled = Arc::clone(&prefetched);
        Database::spawn("sqlite-consume", file, move |database| {
            LeaseWorker::new(database, &settings, filled, received).run();
        })
        .await?;
        Ok(Self { prefetched, commands })
    }

    /// Closes, and gives back what was not handed out.
    fn send_close(
        &self,
        reply: Option<oneshot::Sender<Result<(), ConsumeError>>>,
    ) -> Result<(), Unavailable> {
        let leases = self.prefetched.close().into_iter().map(|leased| leased.lease).collect();
        send(&self.commands, Command::Close { leases, reply })
    }
}

#[async_trait]
impl Consumer for SqliteConsumer {
    async fn next(&self) -> Result<Delivery, ConsumeError> {
        let leased = self.prefetched.next().await.ok_or(ConsumeError::Closed)?;
        let Leased { lease, message, attempt, published } = leased;
        let settlement = LeaseSettlement::new(lease, self.commands.clone());
        Ok(Delivery::new(message, attempt, published, Box::new(settlement)))
    }

    async fn ping(&self) -> Result<(), ConsumeError> {
        let (reply, answer) = oneshot::channel();
        send(&self.commands, Command::Ping { reply })?;
        answer.await.map_err(|_| thread_has_ended())?
    }

    async fn close(&self) -> Result<(), ConsumeError> {
        let (reply, answer) = oneshot::channel();
        self.send_close(Some(reply))?;
        answer.await.map_err(|_| thread_has_ended())?
    }
}

impl Drop for SqliteConsumer {
    fn drop(&mut self) {
        // When the thread has ended, so have the leases.
        let _ = self.send_close(None);
    }
}

impl From<Unavailable> for ConsumeError {
    fn from(Unavailable(reason): Unavailable) -> Self {
        Self::Unavailable(reason)
    }
}
