//! The one Greeting service. Its role, which is its entry in the topology, makes it A or H.
//!
//! A call passes through [`server`], which accepts it, `grpc`, which reads its deadline and headers and converts wire
//! types to domain types, and `greeter`, which greets, stores, publishes and calls every upstream. Independently,
//! `consume` moves messages from the queue to the store.

mod body;
mod calls;
mod conduct;
mod connections;
mod consume;
mod failure;
mod faulted;
mod faulty;
mod greeter;
mod greeting;
mod grpc;
mod health;
mod limit;
mod message;
mod metadata_limit;
mod missing;
mod observed;
mod padded;
mod response_stream;
mod rpc;
pub mod server;
mod settings;
mod streams;
mod upstreams;
mod watch;

pub use connections::{Connections, QueueConnection, StoreConnection};
pub use message::{MalformedMessage, decode as decode_message, encode as encode_message};
pub use settings::ServiceSettings;
