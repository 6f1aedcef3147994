//! The one Greeting service. What makes it A or H is its role: its entry in the topology.
//!
//! The way of a call: [`server`] accepts it, `grpc` reads its deadline and headers and turns wire types into
//! domain types, [`greeter`] greets, stores, publishes and has every upstream greet. Beside it, `consume`
//! takes messages from the queue into the store.

mod body;
mod connections;
mod consume;
mod failure;
mod greeter;
mod greeting;
mod grpc;
mod health;
mod message;
mod metadata_limit;
mod missing;
mod observed;
pub mod server;
mod settings;
mod upstreams;
mod watch;

pub use connections::{Connections, QueueConnection, StoreConnection};
pub use message::{MalformedMessage, decode as decode_message, encode as encode_message};
pub use settings::ServiceSettings;
