//! Publishing with confirms: many messages under way at once, on one channel.

mod outbox;
mod round;

use std::{future::Future, pin::pin};

use tokio::sync::mpsc;

use outbox::Job;
pub(super) use outbox::{Letter, Outbox};
use round::{Round, RoundEnded};

use super::{dialer::Line, supervisor::Ended, topology::Topology};
use crate::queue::PublishError;

/// Publishes what the [`Outbox`] is given.
pub(super) struct Courier {
    jobs: mpsc::Receiver<Job>,
    /// To be published again: their channel was closed for another message's fault.
    again: Vec<Job>,
    /// The longest body that this connection's broker takes, in bytes, once it has said so.
    largest: Option<usize>,
}

impl Courier {
    fn new(jobs: mpsc::Receiver<Job>) -> Self {
        Self { jobs, again: Vec::new(), largest: None }
    }

    /// Whether nobody can bring anything any more.
    pub(super) fn is_finished(&self) -> bool {
        self.jobs.is_closed() && self.jobs.is_empty()
    }

    /// Waits for `future`, and refuses meanwhile whatever is brought. Nothing once nobody can bring anything.
    pub(super) async fn refuse_during<T>(
        &mut self,
        future: impl Future<Output = T>,
        reason: &str,
    ) -> Option<T> {
        let refusal = || PublishError::Unavailable(reason.to_owned());
        for job in self.again.drain(..) {
            job.answer(Err(refusal()));
        }
        let mut future = pin!(future);
        loop {
            tokio::select! {
                done = &mut future => return Some(done),
                job = self.jobs.recv() => job?.answer(Err(refusal())),
            }
        }
    }

    /// Publishes until the connection is lost or nobody can bring anything any more.
    pub(super) async fn deliver(&mut self, line: &Line, topology: &Topology) -> Ended {
        self.largest = None;
        loop {
            let round = match Round::open(line, topology).await {
                Ok(round) => round,
                Err(fault) => return Ended::Lost(fault),
            };
            match round.run(self).await {
                RoundEnded::ChannelClosed => {}
                RoundEnded::Lost(fault) => return Ended::Lost(fault),
                RoundEnded::Finished => return Ended::Finished,
            }
        }
    }
}
