//! Store and queue in SQLite files (WAL), shared by the processes of one host.
//!
//! Each database is a file, `<directory>/<database>.sqlite`, with a table per collection; each queue is a file,
//! `<directory>/<queue>.sqlite`. Any SQLite client may read them while the services run.
//!
//! Every adapter owns one thread, and the thread owns the connection. Callers send it jobs; it runs all waiting jobs in
//! one transaction, because a transaction costs far more than a row. Confirmed writes are committed to the file that was
//! at the path when the commit returned: they survive the death of any process (see [`Durability`] for the loss of
//! power).
//!
//! A file that fails (disk full, damaged, made read-only) makes calls `Unavailable`; the connection is then dropped, and
//! reopened on a later call, with a jittered backoff of 50 ms to 1 s. If a file is deleted while the services run, the
//! next transaction notices, creates a new file and runs there; the content of the old file is lost. Deleting only the
//! `-wal` or `-shm` file beside a live database damages it, and is not guarded against.

mod busy;
mod consumer;
mod database;
mod failure;
mod file;
mod health;
mod inspect;
mod publisher;
mod queue_tables;
mod settings;
mod store;
mod writer;

pub use consumer::SqliteConsumer;
pub use inspect::{SqliteQueueInspect, SqliteStoreInspect, SqliteStoreScan};
pub use publisher::SqlitePublisher;
pub use settings::{Durability, SqliteQueueSettings, SqliteStoreSettings};
pub use store::SqliteStore;

pub use crate::open::OpenError;
