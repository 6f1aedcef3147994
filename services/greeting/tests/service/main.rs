//! One service over real sockets.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failing helper fails its test"
)]

mod documents;
mod health;
mod messages;
mod service;
