//! Tests of the whole platform: real processes on loopback, started by the real binary.
//!
//! `platform` starts and stops it, `servers` starts a broker and a database, `client` and `load` send requests and check
//! every body, `stub` replaces a service, `zipkin` a trace backend, and `chromium` is a browser. The other modules are the
//! tests.

// A test binary has no public API, and a helper that panics fails its test.
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
mod cli;
mod collector;
mod commands;
mod configuration;
mod conventions;
mod counts;
mod deadlines;
mod drain;
mod drills;
mod edge;
mod envoy;
mod events;
mod examples;
mod failure;
mod faults;
mod faults_of_all;
mod frozen;
mod generator;
mod greeting;
mod headers;
mod hostile;
mod https;
mod language;
mod learn;
mod lifetime;
mod load_runs;
mod logs;
mod node_sdk;
mod openapi;
mod otlp_signals;
mod processes;
mod prometheus;
mod random;
mod refused;
mod replicas;
mod scenario_export;
mod scenario_page;
mod scenario_score;
mod scenario_target;
mod secrets;
mod series;
mod span_proxy;
mod streaming;
mod surplus;
mod telemetry;
mod telemetry_audit;
mod tools;
mod traces;
mod unfinished;
mod zipkin;
