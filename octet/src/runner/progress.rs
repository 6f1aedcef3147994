//! What `octet up` waits for, once a second, so that it is never silent while something is missing.

use std::{convert::Infallible, time::Duration};

use tokio::time::{Instant, sleep};

use super::{plan::ProcessPlan, probe, run_file::RunFile};
use crate::output;

/// The time between two looks; the first comes before a user has waited for a second.
const INTERVAL: Duration = Duration::from_millis(800);

/// The time after which the same state is reported again.
const REPEAT: Duration = Duration::from_secs(10);

/// Reports the processes that are not ready.
pub(super) struct Progress<'a> {
    processes: &'a [ProcessPlan],
    last: Said,
}

impl<'a> Progress<'a> {
    pub(super) fn new(processes: &'a [ProcessPlan]) -> Self {
        Self { processes, last: Said::default() }
    }

    /// Reports until the future is dropped.
    pub(super) async fn report(&mut self) -> Infallible {
        loop {
            sleep(INTERVAL).await;
            let reasons = probe::reasons(self.processes).await;
            if reasons.is_empty() {
                continue;
            }
            let (total, ready) = (self.processes.len(), self.processes.len() - reasons.len());
            self.last.say(format!(
                "octet: {ready} of {total} processes are ready; waiting for:\n  {}",
                reasons.join("\n  ")
            ));
        }
    }
}

/// Reports the processes that have not ended, until the future is dropped.
pub(super) async fn of_shutdown(run: &RunFile) -> Infallible {
    let mut last = Said::default();
    loop {
        sleep(INTERVAL).await;
        let running = run.running();
        if !running.is_empty() {
            last.say(format!("octet: waiting for {} to finish; Ctrl-C ends all at once", running.join(", ")));
        }
    }
}

/// What was said last, and when.
#[derive(Default)]
struct Said(Option<(String, Instant)>);

impl Said {
    /// Prints `text` if it is new, or was printed a while ago.
    fn say(&mut self, text: String) {
        let now = Instant::now();
        if self.0.as_ref().is_none_or(|(last, at)| *last != text || now.duration_since(*at) >= REPEAT) {
            output::line(&text);
            self.0 = Some((text, now));
        }
    }
}
