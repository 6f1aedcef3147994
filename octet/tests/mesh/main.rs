//! The platform as a user meets it: real processes on loopback, started by the real binary.
//!
//! `platform` starts and ends it, `servers` are what it may run on, `client` and `load` ask it and check every body, `stub` stands in for a
//! service, `zipkin` for a trace backend, `chromium` is a browser. The other modules are the tests.

// A test binary has no public side, and a helper that fails is a test that fails.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic
)]

mod chromium;
mod client;
mod load;
mod platform;
mod process;
mod servers;
mod stub;

mod audit;
mod browser;
mod collector;
mod configuration;
mod deadlines;
mod drain;
mod drills;
mod edge;
mod envoy;
mod events;
mod failure;
mod greeting;
mod headers;
mod https;
mod lifetime;
mod logs;
mod openapi;
mod prometheus;
mod secrets;
mod series;
mod telemetry;
mod tools;
mod traces;
mod unfinished;
mod zipkin;
