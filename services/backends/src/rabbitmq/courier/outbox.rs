//! Where messages wait to be published.

use std::{sync::Arc, time::Duration};

use lapin::{BasicProperties, types::ShortString};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::Courier;
use crate::{queue::PublishError, rabbitmq::link::Link};

/// So many wait; whoever brings more waits until there is room.
const CAPACITY: usize = 1_024;

/// Takes messages and tells how they fared. The [`Courier`] works until every clone is dropped.
#[derive(Clone)]
pub(in crate::rabbitmq) struct Outbox {
    jobs: mpsc::Sender<Job>,
    link: Arc<Link>,
    patience: Duration,
}

/// A message as it goes over the wire.
pub(in crate::rabbitmq) struct Letter {
    /// The queue it goes to, through the default exchange.
    pub(in crate::rabbitmq) to: ShortString,
    /// The courier adds its own correlation id.
    pub(in crate::rabbitmq) properties: BasicProperties,
    pub(in crate::rabbitmq) body: Vec<u8>,
}

/// A letter, and who waits to hear of it.
pub(super) struct Job {
    pub(super) letter: Letter,
    answer: oneshot::Sender<Result<(), PublishError>>,
}

impl Outbox {
    /// An outbox that gives up on a letter after `patience`, and its courier.
    pub(in crate::rabbitmq) fn new(link: Arc<Link>, patience: Duration) -> (Self, Courier) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (Self { jobs: sender, link, patience }, Courier::new(receiver))
    }

    /// Publishes a letter, and returns once the broker has confirmed it.
    ///
    /// A letter that its sender has given up on is not published any more, unless it is under way already.
    pub(in crate::rabbitmq) async fn send(&self, letter: Letter) -> Result<(), PublishError> {
        if let Some(reason) = self.link.lost() {
            return Err(PublishError::Unavailable(reason));
        }
        let (answer, answered) = oneshot::channel();
        let sending = async {
            self.jobs.send(Job { letter, answer }).await.map_err(|_| self.unanswered())?;
            answered.await.unwrap_or_else(|_| Err(self.unanswered()))
        };
        timeout(self.patience, sending).await.unwrap_or_else(|_| {
            let reason = match self.link.check() {
                Ok(()) => format!("the broker has not confirmed within {:?}", self.patience),
                Err(reason) => reason,
            };
            Err(PublishError::Unavailable(reason))
        })
    }

    /// Of a letter that was dropped with its connection.
    fn unanswered(&self) -> PublishError {
        PublishError::Unavailable(self.link.lost().unwrap_or_else(|| "the connection was lost".to_owned()))
    }
}

impl Job {
    /// Whoever waited may have gone.
    pub(super) fn answer(self, answer: Result<(), PublishError>) {
        let _ = self.answer.send(answer);
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }
}
