//! A consumer's dead letters, while their queue works and while it does not.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use lapin::{BasicProperties, types::ShortString};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::outbox::{Outbox, Outgoing, Refusal};

/// How long a failure counts. Messages that wait try again more often.
const FAILURE_AGE: Duration = Duration::from_secs(10);

/// Publishes dead letters.
pub(super) struct DeadLetters {
    queue: ShortString,
    outbox: Outbox,
    /// Half of the prefetch limit: the other half stays available for good messages.
    room: Semaphore,
    /// The last failure, unless a message was published since.
    failure: Mutex<Option<(Instant, String)>>,
}

impl DeadLetters {
    pub(super) fn new(queue: ShortString, outbox: Outbox, prefetch: u16) -> Self {
        let room = Semaphore::new(usize::from(prefetch / 2));
        Self { queue, outbox, room, failure: Mutex::default() }
    }

    /// Publishes a message to the dead letters' queue.
    pub(super) async fn publish(&self, properties: BasicProperties, body: Vec<u8>) -> Result<(), Refusal> {
        let published = self.outbox.send(Outgoing { queue: self.queue.clone(), properties, body }).await;
        let failure = match &published {
            Err(Refusal::Full(reason) | Refusal::Unavailable(reason)) => {
                Some((Instant::now(), reason.clone()))
            }
            Ok(()) | Err(Refusal::Rejected(_)) => None,
        };
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        published
    }

    /// Room for a message to wait while the queue is full. Without room, the broker has to dead-letter the message: its own
    /// dead-lettering keeps it in the main queue until the other is no longer full, without this consumer's reason.
    pub(super) fn room(&self) -> Option<SemaphorePermit<'_>> {
        self.room.try_acquire().ok()
    }

    /// Whether the last dead letter was published.
    pub(super) fn check(&self) -> Result<(), String> {
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((at, reason)) if at.elapsed() < FAILURE_AGE => {
                Err(format!("cannot dead-letter messages: {reason}"))
            }
            _ => Ok(()),
        }
    }
}
