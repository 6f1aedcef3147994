//! The consumer's handle. Its thread, the [`keeper`], takes leases, renews them and settles them.

mod keeper;
mod leases;
mod settle;
mod shelf;

use std::sync::{Arc, mpsc};

use async_trait::async_trait;
use tokio::sync::oneshot;

use self::{
    keeper::{Command, Keeper},
    settle::LeaseSettlement,
    shelf::{Shelf, Taken},
};
use super::{
    database::{Database, send},
    failure::{Unavailable, thread_has_ended},
    queue_tables,
    settings::SqliteQueueSettings,
};
use crate::{
    open::OpenError,
    queue::{ConsumeError, Consumer, Delivery},
};

/// Consumes a SQLite queue, together with any number of other consumers, in this process and in others.
///
/// A message is leased to one consumer at a time, for [`SqliteQueueSettings::lease`]; the consumer's thread
/// renews the leases of all outstanding deliveries, however long their handlers take. When the process dies the
/// leases end and the messages go to another. Settling is fenced by the lease's token: who has lost the lease
/// gets `LeaseLost` and changes nothing.
///
/// Leases end at a moment of the host's clock. Set forward, it ends leases early: messages are delivered twice.
/// Set back, it makes the messages of a dead consumer wait longer, by a minute at most. Nothing is lost.
pub struct SqliteConsumer {
    shelf: Arc<Shelf>,
    commands: mpsc::Sender<Command>,
}

impl SqliteConsumer {
    /// Opens the queue, making directory, file and tables when they are not there, checks that the file can be
    /// written, and begins to take messages, up to the prefetch limit.
    ///
    /// # Errors
    /// See [`OpenError`]. A damaged or locked file and a full disk are no errors here: the consumer opens, is
    /// `Unavailable`, and recovers with the file.
    pub async fn open(settings: SqliteQueueSettings) -> Result<Self, OpenError> {
        settings.check()?;
        let shelf = Arc::new(Shelf::default());
        let (commands, received) = mpsc::channel();
        let file = queue_tables::queue_file(&settings);
        let keepers_shelf = Arc::clone(&shelf);
        Database::on_its_own_thread("sqlite-consume", file, move |database| {
            Keeper::new(database, &settings, keepers_shelf, received).run();
        })
        .await?;
        Ok(Self { shelf, commands })
    }
}

#[async_trait]
impl Consumer for SqliteConsumer {
    async fn next(&self) -> Result<Delivery, ConsumeError> {
        loop {
            let changed = self.shelf.changed();
            match self.shelf.take() {
                Taken::Leased(leased) => {
                    let settlement = LeaseSettlement::new(leased.lease, self.commands.clone());
                    let leases::Leased { message, attempt, published, .. } = leased;
                    return Ok(Delivery::new(message, attempt, published, Box::new(settlement)));
                }
                Taken::Nothing => changed.await,
                Taken::Closed => return Err(ConsumeError::Closed),
            }
        }
    }

    async fn ping(&self) -> Result<(), ConsumeError> {
        let (reply, answer) = oneshot::channel();
        send(&self.commands, Command::Ping { reply })?;
        answer.await.map_err(|_| thread_has_ended())?
    }

    async fn close(&self) -> Result<(), ConsumeError> {
        let (reply, answer) = oneshot::channel();
        let leases = self.shelf.close();
        send(&self.commands, Command::Close { leases, reply: Some(reply) })?;
        answer.await.map_err(|_| thread_has_ended())?
    }
}

impl Drop for SqliteConsumer {
    fn drop(&mut self) {
        let leases = self.shelf.close();
        // When the thread has ended there is nothing to give back to.
        let _ = send(&self.commands, Command::Close { leases, reply: None });
    }
}

impl From<Unavailable> for ConsumeError {
    fn from(Unavailable(reason): Unavailable) -> Self {
        Self::Unavailable(reason)
    }
}
