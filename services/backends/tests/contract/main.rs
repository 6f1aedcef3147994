//! One contract for all adapters of a port, and each adapter's own promises.
//!
//! `store.rs`, `queue.rs` and `queue_inspection.rs` contain the cases. To add an adapter, write a factory, [`Stores`] or
//! [`Queues`], and one line of its macro, as at the end of `sqlite.rs`.

#![cfg(test)]

mod child;
mod factories;
#[macro_use]
mod queue;
mod queue_inspection;
#[macro_use]
mod store;
mod logs;
mod mongodb;
mod mongodb_outages;
mod mongodb_reconnects;
mod mongodb_refusals;
mod mongodb_tls;
mod rabbitmq;
mod rabbitmq_cluster;
mod rabbitmq_faults;
mod rabbitmq_outages;
mod rabbitmq_threads;
mod sqlite;
mod sqlite_files;
mod sqlite_model;
mod sqlite_processes;
mod sqlite_rows;

pub(crate) use factories::{Queues, Sight, Stores, Terms, WholeLetter};
