//! The collector as a reporter and a reader meet it: over real sockets.
//!
//! `py_zipkin.json` is what py-zipkin 1.2.8 (`PyPI`) made: `get_encoder(Encoding.V2_JSON)`, `encode_span` of four
//! `py_zipkin.encoding._helpers.Span` with every member that it knows, `encode_queue` of these.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod peer;
mod queries;
mod reports;
