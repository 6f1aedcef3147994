//! Real servers for one test: each is started on free loopback ports, in a temporary directory, and ends with its value
//! or with the test process, however that ends.
//!
//! A server that is not installed, or does not start, fails the test with a sentence; no test is skipped.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "test support: a failure here must end the test with a clear sentence"
)]

mod alertmanager;
mod authority;
mod broker;
mod database;
mod envoy;
mod eventually;
pub mod http2_frames;
mod json_schema;
mod lifeline;
mod otlp;
mod ports;
mod postgres;
mod program;
mod prometheus;
mod python;
mod ready;
mod s3;
mod shared;
mod signal;
mod tls_front;
mod zipkin_model;

pub use alertmanager::Alertmanager;
pub use authority::Authority;
pub use broker::{Broker, BrokerBuilder, PASSWORD, USER};
pub use database::Database;
pub use envoy::{Envoy, EnvoyBuilder, Tracer};
pub use eventually::{Probed, eventually};
pub use json_schema::json_schema_accepts;
pub use otlp::{OtlpReceiver, otel_sdk_spans};
pub use ports::{PortBlock, free_port};
pub use postgres::{Postgres, Psql};
pub use prometheus::Prometheus;
pub use ready::get;
pub use s3::{S3, S3Door, lake_rows};
pub use shared::{shared_broker, shared_database};
pub use signal::signal;
pub use tls_front::TlsFront;
pub use zipkin_model::{check_zipkin_model, py_zipkin_spans};
