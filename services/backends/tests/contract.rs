//! One contract for every adapter of a port, and what each adapter promises beyond it.
//!
//! `contract/store.rs`, `contract/queue.rs` and `contract/queue_inspection.rs` hold the cases. An adapter joins by a
//! factory, [`Stores`] or [`Queues`], and one line of its macro, as at the end of `contract/sqlite.rs`.

#![cfg(test)]

#[path = "contract/child.rs"]
mod child;
#[path = "contract/factories.rs"]
mod factories;
#[path = "contract/queue.rs"]
#[macro_use]
mod queue;
#[path = "contract/queue_inspection.rs"]
mod queue_inspection;
#[path = "contract/store.rs"]
#[macro_use]
mod store;
#[path = "contract/logs.rs"]
mod logs;
#[path = "contract/mongodb.rs"]
mod mongodb;
#[path = "contract/mongodb_outages.rs"]
mod mongodb_outages;
#[path = "contract/mongodb_reconnects.rs"]
mod mongodb_reconnects;
#[path = "contract/mongodb_tls.rs"]
mod mongodb_tls;
#[path = "contract/rabbitmq.rs"]
mod rabbitmq;
#[path = "contract/rabbitmq_faults.rs"]
mod rabbitmq_faults;
#[path = "contract/rabbitmq_outages.rs"]
mod rabbitmq_outages;
#[path = "contract/rabbitmq_threads.rs"]
mod rabbitmq_threads;
#[path = "contract/sqlite.rs"]
mod sqlite;
#[path = "contract/sqlite_files.rs"]
mod sqlite_files;
#[path = "contract/sqlite_model.rs"]
mod sqlite_model;
#[path = "contract/sqlite_processes.rs"]
mod sqlite_processes;
#[path = "contract/sqlite_rows.rs"]
mod sqlite_rows;

pub(crate) use factories::{Buried, Queues, Sight, Stores, Terms};
