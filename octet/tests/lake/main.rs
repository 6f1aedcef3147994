//! `octet hydrate` and `octet lake` as processes, with a real `PostgreSQL`, S3 server and stores, read back by pyarrow and
//! `DuckDB`.

// A test binary has no public API, and a helper that panics fails its test. A drill prints its figures.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout
)]

mod hydrate;
mod pagila;

mod changes;
mod commit_points;
mod connectors;
mod drill;
mod following;
mod memory;
mod servers;
