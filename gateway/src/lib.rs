//! Octet's gateway: REST to gRPC, gRPC and gRPC-Web, the gateway's own endpoints, and the pages it serves.
//!
//! [`run`] accepts connections. `dispatch` gives each request an id and a log line and passes it on: gRPC and gRPC-Web go
//! through `grpc` as bytes; for REST, `rest` finds the route and the deadline and [`transcode`] builds the message. `entry`
//! calls the entry service. `endpoints`, `processes`, `faults`, `load`, `ui`, `docs` and `traces`
//! answer the rest.

mod access;
mod admit;
mod backlog;
mod bytes_codec;
mod deadline_body;
mod dispatch;
mod docs;
mod edge;
mod ending;
mod endpoints;
mod entry;
mod faults;
mod grpc;
mod limits;
pub mod openapi;
mod processes;
mod request_span;
mod rest;
mod runs;
mod server;
mod settings;
mod traces;
pub mod transcode;
mod ui;

pub use edge::{Origins, TrustedProxies};
pub use server::{run, serve_on};
pub use settings::GatewaySettings;
