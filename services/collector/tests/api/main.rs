//! The collector's HTTP API over real sockets.
//!
//! `py_zipkin.json` is the output of py-zipkin 1.2.8 (`PyPI`): `get_encoder(Encoding.V2_JSON)`, `encode_span` of four
//! `py_zipkin.encoding._helpers.Span` with all members, `encode_queue` of these.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a failing helper fails its test"
)]

mod guard;
mod mesh;
mod otlp;
mod peer;
mod pressure;
mod queries;
mod reports;
