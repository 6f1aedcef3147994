//! A store in MongoDB, or in what speaks its wire protocol (Amazon DocumentDB among others).
//!
//! Opening never waits for the server: [`MongoStore::open`] fails for a fault in the configuration and for
//! nothing else. While no server can take writes, calls answer `Unavailable` at once with the reason; the
//! driver's monitor looks every second, and calls pass again as soon as it has seen one.
//!
//! Writes are acknowledged by a majority unless the URL says otherwise. Inserts that wait are sent together, in
//! one command, and each gets its own answer: a round trip costs far more than a document.
//!
//! What the URL does not say is set for a service that has to answer within seconds: see [`MongoAddress`].

mod address;
mod certificates;
mod connection;
mod failure;
mod health;
mod inspect;
mod options;
mod settings;
mod store;
mod verdict;
mod writer;

pub use address::{MongoAddress, MongoAddressError};
pub use inspect::MongoStoreInspect;
pub use settings::MongoSettings;
pub use store::MongoStore;

pub use crate::OpenError;
