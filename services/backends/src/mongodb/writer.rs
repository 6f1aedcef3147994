//! Inserts that wait travel together: one command, an answer each.

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

pub(super) use send::there;

/// Inserts that may wait; whoever comes then waits to hand over, which is the back-pressure.
const WAITING_LIMIT: usize = 1_024;

/// Documents in one command. More would make the first of them wait for no gain.
const BATCH_LIMIT: usize = 256;

/// Bytes after which a command takes no further document. Three times this and the largest document are below
/// the protocol's 48 MB, so that the driver never splits a command.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Commands under way. With one, a slow command would hold up every caller; with many, commands get small.
const UNDER_WAY: usize = 2;

/// Hands inserts to a task. When it is dropped, the task finishes what it was handed and ends.
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
    /// Nobody may be waiting any more, which is no error.
    fn answer(self, result: Result<Inserted, StoreError>) {
        let _ = self.reply.send(result);
    }
}

impl Writer {
    pub(super) fn start(connection: Arc<Connection>) -> Self {
        let (jobs, waiting) = mpsc::channel(WAITING_LIMIT);
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
    let mut under_way = FuturesUnordered::new();
    loop {
        let may_pass = connection.health().may_pass();
        let takes = may_pass.is_err() || under_way.len() < UNDER_WAY;
        tokio::select! {
            job = waiting.recv(), if takes => match (job, may_pass) {
                (None, _) => break,
                (Some(job), Err(unavailable)) => job.answer(Err(unavailable.into())),
                (Some(job), Ok(())) => under_way.push(send::send(&connection, gather(job, &mut waiting))),
            },
            Some(()) = under_way.next(), if !under_way.is_empty() => {}
            () = changes.next() => {}
        }
    }
    while under_way.next().await.is_some() {}
}

/// `first` and what else waits. A job whose caller has gone, and which is not begun, need not be done.
fn gather(first: Job, waiting: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let mut bytes = first.document.as_bytes().len();
    let mut batch = vec![first];
    while batch.len() < BATCH_LIMIT
        && bytes < BATCH_BYTES
        && let Ok(job) = waiting.try_recv()
    {
        bytes += job.document.as_bytes().len();
        batch.push(job);
    }
    batch.retain(|job| !job.reply.is_closed());
    batch
}
