//! REST to gRPC at Octet's edge, and the pages it serves.
//!
//! The way of a request: [`run`] accepts it, `edge` gives it an id and writes its log line, `rest` finds its
//! route and its deadline, [`transcode`] makes a message of it, and the entry service answers. `/api/health`,
//! `/api/topology` and the UI's files are answered here, and traces by whatever keeps them.

mod edge;
mod health;
mod metrics;
mod request_span;
mod rest;
mod server;
mod settings;
mod traces;
pub mod transcode;
mod ui;

pub use server::{StartError, run};
pub use settings::GatewaySettings;
