//! Upstreams: their addresses, a lazy channel to each, and calls with deadlines and safe retries.
//!
//! An upstream with one IP address has one connection. With several addresses, or with a name, a pool chooses for each attempt
//! which address it goes to, leaves out the sick ones, and follows what the names resolve to.

mod address;
mod attempts;
mod call;
mod caller;
mod choose;
mod classify;
mod connect;
mod health;
mod metrics;
mod names;
mod policy;
mod pool;
mod resolve;
mod response;
mod trial;

use std::time::Duration;

pub use address::UpstreamAddress;
pub use call::{InFlight, Upstream};
pub use caller::Callers;
pub use choose::Balance;
pub use classify::{CallError, Failure, classify};
pub use metrics::UpstreamMetrics;
pub use policy::{CallPolicy, RetryPolicy};
pub use response::GrpcChannel;

use crate::environment::Environment;

/// Settings of every upstream of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// How long a call that was provably not processed is retried.
    pub connect_wait: Duration,
}

impl UpstreamSettings {
    /// Reads `CONNECT_WAIT` (500 ms).
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        Self {
            connect_wait: environment.duration(
                "CONNECT_WAIT",
                Duration::from_millis(500),
                Duration::from_mins(1),
            ),
        }
    }
}
