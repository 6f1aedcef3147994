//! A store in MongoDB, or in a server that speaks its wire protocol, such as Amazon DocumentDB.
//!
//! Opening never waits for the server: [`MongoStore::open`] fails only for a fault in the configuration. While no server
//! can take writes, calls return `Unavailable` at once with the reason; the driver's monitor checks every second, and
//! calls pass again as soon as it has found one.
//!
//! By default, a majority acknowledges writes. Waiting inserts are sent together, in one command, and each gets its own
//! answer: a round trip costs far more than a document.
//!
//! The defaults of options suit a service that has to answer within seconds: see [`MongoAddress`].

mod address;
mod certificates;
mod connection;
mod failure;
mod health;
mod inspect;
mod options;
mod scan;
mod servers;
mod settings;
mod store;
mod writer;

pub use address::{MongoAddress, MongoAddressError};
pub use inspect::MongoStoreInspect;
pub use settings::MongoSettings;
pub use store::MongoStore;

pub use crate::OpenError;
