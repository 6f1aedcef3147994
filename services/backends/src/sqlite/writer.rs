//! Group commit: a thread that owns the connection puts every job that waits into one transaction.

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{
    database::Database,
    failure::{Unavailable, is_of_the_row, reason, thread_has_ended},
    file::DatabaseFile,
};
use crate::open::OpenError;

/// Jobs that may wait; whoever comes then waits to hand over, which is the back-pressure.
const WAITING_LIMIT: usize = 1_024;

/// Jobs in one transaction. More would make the first of them wait for no gain.
const BATCH_LIMIT: usize = 512;

/// A row to write, and what came of it.
pub(super) trait Work: Send + Sync + 'static {
    type Done: Send + 'static;

    /// Runs a single statement: one that fails by the row's fault undoes itself and nothing else.
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

/// Hands jobs to the thread. When it is dropped, the thread finishes what it was handed and ends.
pub(super) struct Writer<W: Work> {
    jobs: mpsc::Sender<Job<W>>,
}

enum Job<W: Work> {
    Write { work: W, reply: oneshot::Sender<Result<W::Done, WriteError>> },
    Ping { reply: oneshot::Sender<Result<(), WriteError>> },
}

impl<W: Work> Writer<W> {
    pub(super) async fn open(thread: &str, file: DatabaseFile) -> Result<Self, OpenError> {
        let (jobs, waiting) = mpsc::channel(WAITING_LIMIT);
        // Bounded by the jobs: each is in one batch.
        let (done, batches) = mpsc::unbounded_channel();
        Database::on_its_own_thread(thread, file, move |database| serve(database, waiting, &done)).await?;
        tokio::spawn(answer(batches));
        Ok(Self { jobs })
    }

    /// Does `work` and returns when it is committed.
    pub(super) async fn write(&self, work: W) -> Result<W::Done, WriteError> {
        self.hand_over(|reply| Job::Write { work, reply }).await
    }

    /// Runs a transaction that writes nothing: it takes the write lock, as a write would.
    pub(super) async fn ping(&self) -> Result<(), WriteError> {
        self.hand_over(|reply| Job::Ping { reply }).await
    }

    async fn hand_over<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, WriteError>>) -> Job<W>,
    ) -> Result<T, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).await.map_err(|_| thread_has_ended())?;
        answer.await.unwrap_or_else(|_| Err(thread_has_ended().into()))
    }
}

impl<W: Work> Job<W> {
    /// Whether nobody waits for it: its caller was cancelled, and a job not begun need not be done.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Write { reply, .. } => reply.is_closed(),
            Self::Ping { reply } => reply.is_closed(),
        }
    }

    /// `Ok` when the transaction can go on: the row was written (`Some`), a ping needs no row (`None`), or only
    /// this row is at fault.
    fn run(&self, connection: &Connection) -> rusqlite::Result<Result<Option<W::Done>, WriteError>> {
        let Self::Write { work, .. } = self else { return Ok(Ok(None)) };
        match work.run(connection) {
            Ok(done) => Ok(Ok(Some(done))),
            // Autocommit: SQLite has rolled everything back, and there is no transaction to go on with.
            Err(error) if is_of_the_row(&error) && !connection.is_autocommit() => {
                Ok(Err(WriteError::Rejected(reason(&error))))
            }
            Err(error) => Err(error),
        }
    }

    /// Nobody may be waiting any more, which is no error.
    fn answer(self, result: Result<Option<W::Done>, WriteError>) {
        match (self, result) {
            (Self::Write { reply, .. }, Ok(Some(done))) => drop(reply.send(Ok(done))),
            (Self::Write { reply, .. }, Err(error)) => drop(reply.send(Err(error))),
            (Self::Ping { reply }, Ok(_)) => drop(reply.send(Ok(()))),
            (Self::Ping { reply }, Err(error)) => drop(reply.send(Err(error))),
            // A write that succeeded has a result; without one its caller learns that the reply was dropped.
            (Self::Write { .. }, Ok(None)) => {}
        }
    }
}

/// Jobs of one transaction, each with what came of it.
type Batch<W> = Vec<(Job<W>, Result<Option<<W as Work>::Done>, WriteError>)>;

fn serve<W: Work>(
    mut database: Database,
    mut waiting: mpsc::Receiver<Job<W>>,
    done: &mpsc::UnboundedSender<Batch<W>>,
) {
    while let Some(first) = waiting.blocking_recv() {
        let mut jobs = vec![first];
        while jobs.len() < BATCH_LIMIT
            && let Ok(job) = waiting.try_recv()
        {
            jobs.push(job);
        }
        jobs.retain(|job| !job.is_abandoned());
        if !jobs.is_empty() {
            // A runtime that has ended has nobody who waits.
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

/// Answers a batch at once, from within the runtime. Woken one by one from the thread, callers would cost a system
/// call each, and have their connection written to once for each of them.
async fn answer<W: Work>(mut batches: mpsc::UnboundedReceiver<Batch<W>>) {
    while let Some(batch) = batches.recv().await {
        for (job, result) in batch {
            job.answer(result);
        }
    }
}
