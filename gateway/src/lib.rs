//! REST to gRPC at Octet's edge, and the pages it serves.
//!
//! The way of a request: [`run`] accepts it, `edge` gives it an id and writes its log line, `rest` finds its
//! route and its deadline, [`transcode`] makes a message of it, and `entry` has the entry service answer. gRPC and
//! gRPC-Web pass through `grpc` as bytes. `endpoints` and the UI's files are answered here, and traces by whatever keeps them.

mod docs;
mod edge;
mod endpoints;
mod entry;
mod grpc;
mod held;
mod limits;
pub mod openapi;
mod request_span;
mod rest;
mod server;
mod settings;
mod traces;
pub mod transcode;
mod ui;

pub use edge::{Origins, TrustedProxies};
pub use server::{run, serve_on};
pub use settings::GatewaySettings;
