//! Sends waiting inserts together, in one command; each gets its own answer.

use std::sync::Arc;

use futures_util::{StreamExt, stream::FuturesUnordered};
use mongodb::bson::RawDocumentBuf;
use tokio::{
    sync::{mpsc, oneshot},
    time,
};

use super::{connection::Connection, failure::Unavailable};
use crate::store::{Inserted, StoreError};

mod outcome;
mod send;

pub(super) use send::{existing, write_again};

/// Inserts that may wait. Further callers wait to send theirs, which is the back-pressure.
const MAX_WAITING: usize = 1_024;

/// Documents in one command. More would make the first of them wait without a gain.
const MAX_BATCH: usize = 256;

/// Bytes after which no further document is added to a command. Three times this and the largest document are below the
/// protocol's 48 MB, so that the driver never splits a command.
const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Commands in flight. With one, a slow command would delay all callers; with many, commands get small.
const MAX_IN_FLIGHT: usize = 2;

/// Sends inserts to a task. When this is dropped, the task finishes its inserts and ends.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    connection: Arc<Connection>,
}

struct Job {
    id: String,
    document: RawDocumentBuf,
    reply: oneshot::Sender<Result<Inserted, StoreError>>,
}

impl Job {
    /// The caller may have stopped waiting.
    fn answer(self, result: Result<Inserted, StoreError>) {
        let _ = self.reply.send(result);
    }
}

impl Writer {
    pub(super) fn start(connection: Arc<Connection>) -> Self {
        let (jobs, waiting) = mpsc::channel(MAX_WAITING);
        tokio::spawn(serve(Arc::clone(&connection), waiting));
        Self { jobs, connection }
    }

    /// Inserts `document`, whose `_id` is `id`, and returns when it is acknowledged.
    pub(super) async fn insert(&self, id: String, document: RawDocumentBuf) -> Result<Inserted, StoreError> {
        let (reply, answer) = oneshot::channel();
        let limit = self.connection.settings().operation_timeout;
        let answered = time::timeout(limit, async {
            self.jobs.send(Job { id, document, reply }).await.ok()?;
            answer.await.ok()
        });
        match answered.await {
            Ok(Some(result)) => result,
            Ok(None) => Err(Unavailable("the task that inserts has ended".to_owned()).into()),
            Err(_) => Err(self.connection.unavailable(&format!("no answer within {limit:?}")).into()),
        }
    }
}

impl From<Unavailable> for StoreError {
    fn from(Unavailable(reason): Unavailable) -> Self {
        Self::Unavailable(reason)
    }
}

async fn serve(connection: Arc<Connection>, mut waiting: mpsc::Receiver<Job>) {
    let mut changes = connection.health().changes();
    let mut in_flight = FuturesUnordered::new();
    loop {
        let may_pass = connection.health().may_pass();
        let takes = may_pass.is_err() || in_flight.len() < MAX_IN_FLIGHT;
        tokio::select! {
            job = waiting.recv(), if takes => match (job, may_pass) {
                (None, _) => break,
                (Some(job), Err(unavailable)) => job.answer(Err(unavailable.into())),
                (Some(job), Ok(())) => in_flight.push(send::send(&connection, gather(job, &mut waiting))),
            },
            Some(()) = in_flight.next(), if !in_flight.is_empty() => {}
            () = changes.next() => {}
        }
    }
    while in_flight.next().await.is_some() {}
}

/// `first` and the jobs that wait, without those whose callers have stopped waiting.
fn gather(first: Job, waiting: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let mut bytes = first.document.as_bytes().len();
    let mut batch = vec![first];
    while batch.len() < MAX_BATCH
        && bytes < MAX_BATCH_BYTES
        && let Ok(job) = waiting.try_recv()
    {
        bytes += job.document.as_bytes().len();
        batch.push(job);
    }
    batch.retain(|job| !job.reply.is_closed());
    batch
}
