//! Octet's graph: topology.toml, its raw form, its validated form.
//!
//! A [`Topology`] is always valid: only [`Topology::parse`] makes one, and it reports every finding of a text at once,
//! each with its line, its column and its path (`service[3].calls[1]`, counted from 0). The crate reads no file and no
//! environment.
//!
//! The rules beyond the shape of the file:
//!
//! * the entry and every upstream are services; no service calls itself or the same upstream twice;
//! * the calls contain no cycle, and no answer contains more than [`MAX_GREETINGS`] greetings;
//! * a consumed queue has a publisher, and its consumer has a store;
//! * no two services share a store, since the audit identifies services by their stores.
//!
//! Allowed on purpose: a published queue without a consumer (its messages wait, and the audit counts them), several
//! publishers or consumers of one queue, and a service that neither the entry nor a queue reaches (it can be called
//! directly).

mod addresses;
mod behaviour;
mod drawing;
mod edge;
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
mod schema;
mod suggest;
mod table;
mod text;
mod validate;

/// The machinery that reads a file as topologies are read: all findings at once, each with its line and column.
pub mod document {
    pub use crate::{
        quote::quoted,
        raw::{RawNumber as Number, RawText as Text, fields::Fields},
        reporter::{Position, Reporter},
        validate::parse_document as parse,
    };
}

pub use behaviour::{Behaviour, Limit, WhenLeft};
pub use edge::{Balance, EdgeRule, EdgeSettings, Retry};
pub use finding::{Finding, Findings};
pub use limits::{MAX_BYTES, MAX_EDGES, MAX_GREETINGS, MAX_PROCESSES, MAX_REPLICAS, MAX_SERVICES};
pub use model::{Policy, Service, Store, Topology};
pub use name::{CollectionName, DatabaseName, GreetingText, InvalidText, QueueName, ServiceName};
pub use schema::{DURATION as DURATION_PATTERN, schema, table as schema_table};
pub use suggest::suggest;
pub use table::table;
