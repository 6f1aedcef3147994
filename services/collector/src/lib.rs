//! Stores the newest traces in bounded memory, takes reports of Zipkin's formats and OTLP, and serves Zipkin's v2 HTTP API.
//!
//! A report passes through `http`, which reads and decompresses it, [`octet_zipkin`] or [`octet_otlp`], which parses its
//! spans, `mesh`, which counts their calls, and [`Store`], which stores and indexes them. Nothing is written to disk: a
//! restart starts empty.

mod clock;
mod http;
mod mesh;
mod server;
mod settings;
pub mod store;

pub use server::{run, run_on};
pub use settings::{CollectorPorts, CollectorSettings};
pub use store::Store;
