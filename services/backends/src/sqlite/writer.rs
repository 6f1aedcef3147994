//! Group commit: a thread that owns the connection runs all waiting jobs in one transaction.
//!
//! What one turn of the runtime sends is one batch, for which the thread is woken once. Otherwise the thread would commit the first
//! job alone while the others of that turn are still sent.

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{
    database::Database,
    failure::{Unavailable, is_of_the_row, reason, thread_has_ended},
    file::{self, DatabaseFile},
};
use crate::open::OpenError;

/// Jobs that may wait. Further callers wait to send theirs, which is the back-pressure.
const MAX_WAITING: usize = 1_024;

/// Jobs in one transaction. More would make the first of them wait without a gain.
const MAX_BATCH: usize = 512;

/// A row to write, and its result.
pub(super) trait Work: Send + Sync + 'static {
    type Done: Send + 'static;

    /// Changes the file by a single statement: one that fails because of its row undoes itself and nothing else.
    fn run(&self, connection: &Connection) -> rusqlite::Result<Self::Done>;
}

/// Why a job was not done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WriteError {
    Unavailable(String),
    Rejected(String),
}

impl From<Unavailable> for WriteError {
    fn from(Unavailable(reason): Unavailable) -> Self {
        Self::Unavailable(reason)
    }
}

/// Sends jobs to the thread. When this is dropped, the thread finishes its jobs and ends.
pub(super) struct Writer<W: Work> {
    jobs: mpsc::Sender<Job<W>>,
}

enum Job<W: Work> {
    Write { work: W, reply: oneshot::Sender<Result<W::Done, WriteError>> },
    Ping { reply: oneshot::Sender<Result<(), WriteError>> },
}

impl<W: Work> Writer<W> {
    pub(super) async fn open(thread: &str, file: DatabaseFile) -> Result<Self, OpenError> {
        let (jobs, waiting) = mpsc::channel(MAX_WAITING);
        // One batch waits while the thread commits another; meanwhile jobs gather for the next.
        let (ready, batches) = mpsc::channel(1);
        // Bounded by the jobs: each is in one batch.
        let (done, committed) = mpsc::unbounded_channel();
        Database::spawn(thread, file, move |database| serve(database, batches, &done)).await?;
        tokio::spawn(gather(waiting, ready));
        tokio::spawn(answer(committed));
        Ok(Self { jobs })
    }

    /// Runs `work` and returns when it is committed.
    pub(super) async fn write(&self, work: W) -> Result<W::Done, WriteError> {
        self.send(|reply| Job::Write { work, reply }).await
    }

    /// Runs a transaction that writes a page, so that it fails where writes fail.
    pub(super) async fn ping(&self) -> Result<(), WriteError> {
        self.send(|reply| Job::Ping { reply }).await
    }

    async fn send<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, WriteError>>) -> Job<W>,
    ) -> Result<T, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).await.map_err(|_| thread_has_ended())?;
        answer.await.unwrap_or_else(|_| Err(thread_has_ended().into()))
    }
}

impl<W: Work> Job<W> {
    /// Whether its caller has stopped waiting: a job that has not started need not run.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Write { reply, .. } => reply.is_closed(),
            Self::Ping { reply } => reply.is_closed(),
        }
    }

    /// `Ok` when the transaction can continue: the row was written (`Some`), a ping needs no row (`None`), or only this
    /// row is at fault.
    fn run(&self, connection: &Connection) -> rusqlite::Result<Result<Option<W::Done>, WriteError>> {
        let Self::Write { work, .. } = self else {
            return file::touch(connection).map(|()| Ok(None));
        };
        match work.run(connection) {
            Ok(done) => Ok(Ok(Some(done))),
            // In autocommit mode SQLite has rolled everything back: there is no transaction to continue.
            Err(error) if is_of_the_row(&error) && !connection.is_autocommit() => {
                Ok(Err(WriteError::Rejected(reason(&error))))
            }
            Err(error) => Err(error),
        }
    }

    /// The caller may have stopped waiting.
    fn answer(self, result: Result<Option<W::Done>, WriteError>) {
        match (self, result) {
            (Self::Write { reply, .. }, Ok(Some(done))) => drop(reply.send(Ok(done))),
            (Self::Write { reply, .. }, Err(error)) => drop(reply.send(Err(error))),
            (Self::Ping { reply }, Ok(_)) => drop(reply.send(Ok(()))),
            (Self::Ping { reply }, Err(error)) => drop(reply.send(Err(error))),
            // Cannot happen: a write that succeeded has a result. The caller would get an error, as the reply is dropped.
            (Self::Write { .. }, Ok(None)) => {}
        }
    }
}

/// Makes batches of the jobs that are sent in one turn of the runtime.
async fn gather<W: Work>(mut waiting: mpsc::Receiver<Job<W>>, ready: mpsc::Sender<Vec<Job<W>>>) {
    while let Some(first) = waiting.recv().await {
        // Behind every task that can run now.
        tokio::task::yield_now().await;
        let mut jobs = vec![first];
        while jobs.len() < MAX_BATCH
            && let Ok(job) = waiting.try_recv()
        {
            jobs.push(job);
        }
        // This fails where the thread has ended; the callers notice that.
        if ready.send(jobs).await.is_err() {
            return;
        }
    }
}

/// Jobs of one transaction, each with its result.
type Batch<W> = Vec<(Job<W>, Result<Option<<W as Work>::Done>, WriteError>)>;

fn serve<W: Work>(
    mut database: Database,
    mut batches: mpsc::Receiver<Vec<Job<W>>>,
    done: &mpsc::UnboundedSender<Batch<W>>,
) {
    while let Some(mut jobs) = batches.blocking_recv() {
        jobs.retain(|job| !job.is_abandoned());
        if !jobs.is_empty() {
            // This fails where the runtime has ended, and with it all callers.
            let _ = done.send(commit(&mut database, jobs));
        }
    }
}

fn commit<W: Work>(database: &mut Database, jobs: Vec<Job<W>>) -> Batch<W> {
    let outcome = database
        .write(|connection| jobs.iter().map(|job| job.run(connection)).collect::<rusqlite::Result<Vec<_>>>());
    match outcome {
        Ok(results) => jobs.into_iter().zip(results).collect(),
        Err(unavailable) => jobs.into_iter().map(|job| (job, Err(unavailable.clone().into()))).collect(),
    }
}

/// Answers a batch at once, from within the runtime. Woken one by one from the thread, each caller would cost a system
/// call, and a write to its connection.
async fn answer<W: Work>(mut committed: mpsc::UnboundedReceiver<Batch<W>>) {
    while let Some(batch) = committed.recv().await {
        for (job, result) in batch {
            job.answer(result);
        }
    }
}
