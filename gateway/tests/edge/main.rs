//! The gateway over real sockets, in front of a real gRPC server whose proto uses what `greeting.proto` does not.
//!
//! `contract` has a case for every line of `docs/gateway.md`; the other modules test what does not fit into a table.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test binary has no public API, and a helper may fail its test"
)]

mod client;
mod gateway;
mod library;

mod contract;
mod cors;
mod faults;
mod grpc;
mod hostile;
mod http;
mod limits;
mod load;
mod log;
mod openapi;
mod others;
mod processes;
mod program;
mod scenarios;
mod shares;
mod slow;
mod streaming;
mod unread;
mod values;
