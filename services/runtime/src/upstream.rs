//! Upstreams: where they are, the lazy channel to each, and the one way to call them.

mod address;
mod answer;
mod call;
mod classify;

use std::time::Duration;

pub use address::UpstreamAddress;
pub use answer::GrpcChannel;
pub use call::{UnderWay, Upstream};
pub use classify::{CallError, Failure, classify};

use crate::environment::Environment;

/// How every upstream of a process is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// For how long a call that was provably not processed is tried again.
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
