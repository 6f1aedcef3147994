//! The gateway over real sockets, before a real gRPC server with a proto that uses everything `greeting.proto` does not.
//!
//! `contract` has a case for every line of `docs/gateway.md`; the others are what a table cannot hold.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test binary has no public side, and a helper of a test may fail it"
)]

mod client;
mod gateway;
mod library;

mod contract;
mod cors;
mod grpc;
mod hostile;
mod limits;
mod log;
mod openapi;
mod streaming;
mod unread;
