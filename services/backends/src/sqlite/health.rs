//! Whether a file works, and when to try it again, with one log line for every change.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use super::failure::Unavailable;
use crate::backoff::Backoff;

/// Between attempts to open a file that failed.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(50), max: Duration::from_secs(1) };

/// The state of one file, as one connection sees it.
pub(super) struct Health {
    path: PathBuf,
    lost: Option<Lost>,
}

struct Lost {
    reason: String,
    failures: u32,
    retry_at: Instant,
}

impl Health {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, lost: None }
    }

    /// Whether the file may be tried now. If not, calls fail at once with the last failure's reason: the caller, which
    /// knows its deadline, decides whether to wait.
    pub(super) fn may_try(&self) -> Result<(), Unavailable> {
        match &self.lost {
            Some(lost) if Instant::now() < lost.retry_at => Err(Unavailable(lost.reason.clone())),
            _ => Ok(()),
        }
    }

    pub(super) fn failed(&mut self, reason: String) -> Unavailable {
        let failures = self.lost.as_ref().map_or(1, |lost| lost.failures.saturating_add(1));
        if failures == 1 {
            tracing::warn!(path = %self.path.display(), reason, "SQLite file lost");
        }
        let retry_at = Instant::now() + BACKOFF.after(failures);
        self.lost = Some(Lost { reason: reason.clone(), failures, retry_at });
        Unavailable(reason)
    }

    pub(super) fn worked(&mut self) {
        if let Some(lost) = self.lost.take() {
            tracing::info!(path = %self.path.display(), failures = lost.failures, "SQLite file back");
        }
    }

    pub(super) fn replaced(&self) {
        tracing::warn!(path = %self.path.display(), "SQLite file was deleted or replaced; opening the path again");
    }
}
