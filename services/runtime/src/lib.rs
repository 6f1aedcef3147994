//! What every process of Octet needs: environment, logs, metrics, deadlines, upstreams, servers, drain.
//!
//! Only code that two programs use belongs here. The crate depends on no topology, no protocol and no backend.

pub mod admin;
pub mod admission;
pub mod backoff;
pub mod compression;
mod content_type;
pub mod deadline;
pub mod drain;
pub mod environment;
pub mod failure_path;
pub mod faults;
pub mod hosts;
mod http2;
pub mod http_url;
pub mod identity;
pub mod lifeline;
pub mod listen;
pub mod logs;
pub mod messages;
pub mod metadata;
pub mod metrics;
pub mod process;
pub mod propagation;
pub mod reflection;
pub mod serve;
pub mod telemetry;
pub mod upstream;
