//! Keeps the newest traces in bounded memory, and speaks Zipkin's v2 HTTP API.
//!
//! The way of a report: [`run`] accepts it, `http` reads and unpacks it, [`octet_zipkin`] makes spans of it, and
//! [`Store`] keeps them, with the indexes that searches need. Nothing is written to disk: the collector is for
//! watching, and a restart begins anew.

mod http;
mod server;
mod settings;
pub mod store;

pub use server::{run, run_on};
pub use settings::CollectorSettings;
pub use store::Store;
