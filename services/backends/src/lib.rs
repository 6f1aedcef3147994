//! What a Greeting service needs from a database and a broker, and the adapters that give it.
//!
//! The ports are [`store`] (a document store), [`queue`] (a publisher and a consumer) and [`inspect`]
//! (what the audit asks, also when the services are dead). [`sqlite`] implements all of them in files that
//! the processes of one host share; [`rabbitmq`] implements the queue, and [`mongodb`] the store, on servers. Whoever
//! uses a port holds an `Arc<dyn …>` and does not know which adapter is behind it; `tests/contract.rs` holds every
//! adapter to the same behaviour.
//!
//! This crate takes validated settings: it reads no environment and knows no telemetry, topology or proto.

pub mod inspect;
pub mod mongodb;
mod open;
pub mod queue;
pub mod rabbitmq;
pub mod sqlite;
pub mod store;

pub use open::OpenError;
