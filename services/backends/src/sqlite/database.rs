//! A connection that is dropped when it fails, and opened again.

use std::{sync::mpsc, thread};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    failure::{Unavailable, reason, thread_has_ended},
    file::{ConnectError, DatabaseFile, Opened},
    health::Health,
};
use crate::open::OpenError;

/// How often a transaction is tried, where its file is replaced during it.
const MAX_TRIES: u32 = 4;

/// One file and one connection to it, owned by one thread.
pub(super) struct Database {
    file: DatabaseFile,
    opened: Option<Opened>,
    health: Health,
}

impl Database {
    /// Starts a thread that opens `file` and runs `serve`.
    ///
    /// Returns once the file is opened or found to be unavailable; opening may wait up to 2 s for another process's
    /// lock.
    pub(super) async fn spawn(
        name: &str,
        file: DatabaseFile,
        serve: impl FnOnce(Self) + Send + 'static,
    ) -> Result<(), OpenError> {
        let (report, opened) = oneshot::channel();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || match Self::open(file) {
                Ok(database) => {
                    // A caller that stopped waiting does not need the thread.
                    if report.send(Ok(())).is_ok() {
                        serve(database);
                    }
                }
                Err(error) => {
                    let _ = report.send(Err(error));
                }
            })
            .map_err(OpenError::Thread)?;
        opened.await.unwrap_or_else(|_| Err(OpenError::Thread(std::io::Error::other(thread_has_ended().0))))
    }

    /// Runs `work` in one transaction that holds the write lock from its start, and commits it.
    ///
    /// The commit is to the file that is at the path afterwards. When the file was deleted or replaced meanwhile, `work`
    /// runs again on the new one, so it must have no side effects.
    pub(super) fn write<T>(
        &mut self,
        mut work: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Unavailable> {
        let done = self.run(|connection| {
            // Prepared once: to parse these two costs as much as a row. After a failure the connection is dropped, which rolls
            // back.
            connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            let done = work(connection)?;
            connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(done)
        })?;
        self.health.worked();
        Ok(done)
    }

    /// Runs `work`, which only reads, as [`write`](Self::write) does but without the write lock. Success does not mean
    /// that a lost file is back: a full disk can be read.
    pub(super) fn read<T>(
        &mut self,
        mut work: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Unavailable> {
        self.run(|connection| work(connection))
    }

    fn open(file: DatabaseFile) -> Result<Self, OpenError> {
        let mut health = Health::new(file.path.clone());
        let opened = match file.connect() {
            Ok(opened) => Some(opened),
            Err(ConnectError::NotWritable(reason)) => {
                return Err(OpenError::NotWritable { path: file.path, reason });
            }
            Err(ConnectError::Unavailable(reason)) => {
                health.failed(reason);
                None
            }
        };
        Ok(Self { file, opened, health })
    }

    fn run<T>(
        &mut self,
        mut work: impl FnMut(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Unavailable> {
        for _ in 0..MAX_TRIES {
            let mut opened = match self.opened.take() {
                Some(opened) => opened,
                None => self.connect()?,
            };
            let result = work(&mut opened.connection);
            // After the work, not before: a commit to a deleted file is lost. SQLite does not check this; in WAL mode
            // it continues to write to the deleted file.
            if !self.file.is_at_path(&opened) {
                self.health.replaced();
                continue;
            }
            return match result {
                Ok(done) => {
                    self.opened = Some(opened);
                    Ok(done)
                }
                // The connection is dropped: the failure may have left it unusable.
                Err(error) => Err(self.health.failed(reason(&error))),
            };
        }
        Err(self.health.failed("the file is being replaced".to_owned()))
    }

    fn connect(&mut self) -> Result<Opened, Unavailable> {
        self.health.may_try()?;
        self.file.connect().map_err(|error| self.health.failed(error.into_reason()))
    }
}

/// Sends a command to an adapter's thread.
pub(super) fn send<T>(commands: &mpsc::Sender<T>, command: T) -> Result<(), Unavailable> {
    commands.send(command).map_err(|_| thread_has_ended())
}
