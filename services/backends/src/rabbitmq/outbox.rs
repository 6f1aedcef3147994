//! Messages on their way to the confirm channel, and their confirms on the way back.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use lapin::{BasicProperties, types::ShortString};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::state::ConnectionState;
use crate::queue::PublishError;

/// Messages that may wait; further callers wait until there is room.
const CAPACITY: usize = 1_024;

/// The callers' side. The connection is kept until every clone is dropped.
#[derive(Clone)]
pub(super) struct Outbox {
    publishes: mpsc::Sender<Publish>,
    state: Arc<ConnectionState>,
    confirm_timeout: Duration,
}

/// The connection's side.
pub(super) struct Inbox {
    pub(super) publishes: mpsc::Receiver<Publish>,
    /// To be published again: their channel was closed because of another message.
    pub(super) retries: Vec<Publish>,
}

/// A message as it goes over the wire.
pub(super) struct Outgoing {
    /// The queue it goes to, through the default exchange.
    pub(super) queue: ShortString,
    /// Without a correlation id: the confirm channel sets its own.
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
}

/// An outgoing message, and the caller that waits for its confirm.
pub(super) struct Publish {
    pub(super) outgoing: Outgoing,
    reply: oneshot::Sender<Result<(), Refusal>>,
}

/// Why a message was not published.
pub(super) enum Refusal {
    /// The queue is full, or cannot store messages now.
    Full(String),
    /// It may work soon.
    Unavailable(String),
    /// The broker will never accept this message.
    Rejected(String),
}

impl From<Refusal> for PublishError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full(reason) | Refusal::Unavailable(reason) => Self::Unavailable(reason),
            Refusal::Rejected(reason) => Self::Rejected(reason),
        }
    }
}

/// An outbox whose callers wait for a confirm up to `confirm_timeout`, and its other side.
pub(super) fn outbox(state: Arc<ConnectionState>, confirm_timeout: Duration) -> (Outbox, Inbox) {
    let (sender, publishes) = mpsc::channel(CAPACITY);
    (Outbox { publishes: sender, state, confirm_timeout }, Inbox { publishes, retries: Vec::new() })
}

impl Outbox {
    /// Publishes a message, and returns once the broker has confirmed it.
    ///
    /// A message whose caller stops waiting is published only if it is in flight already.
    pub(super) async fn send(&self, outgoing: Outgoing) -> Result<(), Refusal> {
        self.state.may_publish().map_err(Refusal::Unavailable)?;
        let (reply, confirmed) = oneshot::channel();
        let sending = async {
            self.publishes.send(Publish { outgoing, reply }).await.map_err(|_| self.lost())?;
            confirmed.await.unwrap_or_else(|_| Err(self.lost()))
        };
        timeout(self.confirm_timeout, sending).await.unwrap_or_else(|_| {
            let unconfirmed = || format!("the broker did not confirm within {:?}", self.confirm_timeout);
            Err(Refusal::Unavailable(self.state.check().err().unwrap_or_else(unconfirmed)))
        })
    }

    /// Why a message was dropped: with its connection, or because of an alarm.
    fn lost(&self) -> Refusal {
        let reason = self.state.may_publish().err();
        Refusal::Unavailable(reason.unwrap_or_else(|| "the connection was lost".to_owned()))
    }
}

impl Inbox {
    /// Whether no caller is left.
    pub(super) fn is_finished(&self) -> bool {
        self.publishes.is_closed() && self.publishes.is_empty()
    }

    /// Waits for `future`, and meanwhile refuses all messages. `None` once no caller is left.
    pub(super) async fn refuse_during<T>(
        &mut self,
        future: impl Future<Output = T>,
        reason: &str,
    ) -> Option<T> {
        let refused = || Err(Refusal::Unavailable(reason.to_owned()));
        for publish in self.retries.drain(..) {
            publish.reply(refused());
        }
        let mut future = pin!(future);
        loop {
            tokio::select! {
                done = &mut future => return Some(done),
                publish = self.publishes.recv() => publish?.reply(refused()),
            }
        }
    }
}

impl Publish {
    /// The caller may have stopped waiting.
    pub(super) fn reply(self, result: Result<(), Refusal>) {
        let _ = self.reply.send(result);
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}
