//! Store and queue in SQLite files (WAL), shared by the processes of one host.
//!
//! One file a database, `<directory>/<database>.sqlite`, with a table a collection; one file a queue,
//! `<directory>/<queue>.sqlite`. Any SQLite client may look at them while the services run.
//!
//! Every adapter owns one thread, and the thread owns the connection. Callers hand it jobs; it puts all jobs
//! that wait into one transaction, because a transaction costs far more than a row. What was confirmed is
//! committed to the file that was at the path when the commit returned: it survives the death of any process
//! (see [`Durability`] for the loss of power).
//!
//! A file that fails (disk full, damaged, made read-only) makes calls `Unavailable`; the connection is then
//! dropped, and reopened on a later call, with a jittered backoff of 50 ms to 1 s. A file that is deleted while
//! the services run is noticed by the next transaction, which makes a new file and runs there; what the old
//! file held is gone, by the hand that deleted it. Deleting only the `-wal` or `-shm` file beside a live
//! database damages it, and is not guarded against.

mod consumer;
mod database;
mod failure;
mod file;
mod health;
mod inspect;
mod patience;
mod publisher;
mod queue_tables;
mod settings;
mod store;
mod writer;

pub use consumer::SqliteConsumer;
pub use inspect::{SqliteQueueInspect, SqliteStoreInspect};
pub use publisher::SqlitePublisher;
pub use settings::{Durability, SqliteQueueSettings, SqliteStoreSettings};
pub use store::SqliteStore;

pub use crate::open::OpenError;
