//! Transcoding, against protos that use everything `greeting.proto` does not.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of a test may fail it"
)]

mod arbitrary;
mod codec;
mod conformance;
mod headers;
mod library;
mod properties;
mod query;
mod request;
mod response;
mod routes;
mod status;
mod template;
