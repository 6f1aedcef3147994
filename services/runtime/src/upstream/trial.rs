//! One attempt at one address, and what it shows about the address.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::Instant;
use tonic::{Code, Status};

use super::{
    Failure, GrpcChannel,
    classify::classify,
    pool::{Backend, Pool},
};
use crate::deadline::Deadline;

/// A deadline that passes sooner shows nothing about the address.
const SHORT: Duration = Duration::from_millis(100);

/// An attempt, which is one of the address's calls in flight until it is dropped.
pub(super) struct Trial {
    pool: Arc<Pool>,
    backend: Arc<Backend>,
    deadline: Deadline,
    started: Instant,
    /// Whether it tries an address that was left out.
    is_probe: bool,
    /// Whether it has shown something.
    is_noted: bool,
}

impl Trial {
    pub(super) fn new(pool: Arc<Pool>, backend: Arc<Backend>, deadline: Deadline) -> Self {
        let is_probe = backend.start();
        Self { pool, backend, deadline, started: Instant::now(), is_probe, is_noted: false }
    }

    pub(super) fn channel(&self) -> GrpcChannel {
        self.backend.channel()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.backend.address
    }

    /// Notes how the attempt ended; only the first time.
    pub(super) fn note(&mut self, outcome: Result<(), &Status>) {
        if self.is_noted {
            return;
        }
        self.is_noted = true;
        match outcome.map_err(|status| (classify(status), status.code())) {
            Err((Failure::NotProcessed, _)) => self.pool.refused(&self.backend),
            // What it shows depends on how long it took.
            Err((Failure::DeadlinePassed, _) | (Failure::Answered, Code::DeadlineExceeded)) => {
                self.is_noted = false;
            }
            Err(
                (Failure::Interrupted | Failure::InvalidResponse, _) | (Failure::Answered, Code::Unavailable),
            ) => {
                self.pool.failed(&self.backend);
            }
            Ok(()) | Err((Failure::Answered, _)) => self.pool.succeeded(&self.backend),
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.backend.end();
        if self.is_noted {
            return;
        }
        // It ended without a response: the deadline passed, or the caller left, which shows nothing.
        if self.deadline.has_passed() && self.started.elapsed() >= SHORT {
            self.pool.failed(&self.backend);
        } else if self.is_probe {
            self.backend.health().leave();
        }
    }
}
