//! Octet's graph: topology.toml, its raw form, its validated form.
//!
//! A [`Topology`] cannot be wrong: it comes out of [`Topology::parse`] alone, which reports every finding of
//! a file at once, each with its line, its column and its dotted place (`service[3].calls[1]`, counted from
//! 0, as JSON paths are). The crate reads no file and no environment: whoever has the text hands it over.
//!
//! What a topology has to satisfy beyond its shape:
//!
//! * the entry and every upstream is a service; no service calls itself, nor one upstream twice;
//! * the calls hold no cycle, and no answer holds more than [`MAX_GREETINGS`] greetings;
//! * a consumed queue has a publisher, and its consumer a store;
//! * no two services share a store, since the audit tells services apart by their stores.
//!
//! Allowed on purpose: a published queue that nobody consumes (its messages wait, and the audit counts them),
//! several publishers or consumers of one queue, and a service that neither the entry reaches nor a
//! queue feeds (it can be called directly).

mod finding;
mod graph;
mod json;
mod limits;
mod model;
mod name;
mod quote;
mod raw;
mod relations;
mod reporter;
mod table;
mod validate;

pub use finding::{Finding, Findings};
pub use limits::{MAX_BYTES, MAX_GREETINGS, MAX_SERVICES};
pub use model::{Policy, Service, Store, Topology};
pub use name::{CollectionName, DatabaseName, GreetingText, InvalidText, QueueName, ServiceName};
pub use table::table;
