//! The ports through which a Greeting service uses a database and a broker, and their adapters.
//!
//! The ports are [`store`] (a document store), [`queue`] (a publisher and a consumer), [`inspect`] (for the audit,
//! which works without the services) and [`scan`] (for copies of whole collections). [`sqlite`] implements all of them in files that the processes of one host share;
//! [`rabbitmq`] implements the queue, and [`mongodb`] the store, on servers. A user of a port holds an `Arc<dyn …>` and
//! does not know the adapter; `tests/contract` checks that all adapters behave alike.
//!
//! This crate takes validated settings: it reads no environment and knows no telemetry, topology or proto.

mod backoff;
pub mod inspect;
pub mod mongodb;
mod open;
mod prefetched;
pub mod queue;
pub mod rabbitmq;
pub mod scan;
pub mod sqlite;
pub mod store;

pub use open::OpenError;
