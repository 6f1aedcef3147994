//! Whether a file works, when to try it again, and one log line for every change.

use std::{path::PathBuf, time::Instant};

use super::{failure::Unavailable, patience::backoff};

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

    /// Whether the file may be tried now. Until then callers get the last failure's reason at once: waiting
    /// for them is the caller's business, who knows its deadline.
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
        self.lost =
            Some(Lost { reason: reason.clone(), failures, retry_at: Instant::now() + backoff(failures) });
        Unavailable(reason)
    }

    pub(super) fn worked(&mut self) {
        if let Some(lost) = self.lost.take() {
            tracing::info!(path = %self.path.display(), failures = lost.failures, "SQLite file back");
        }
    }

    pub(super) fn replaced(&self) {
        tracing::warn!(path = %self.path.display(), "SQLite file was deleted or replaced; opening the path anew");
    }
}
