//! Settling one delivery: a command to the lease worker, and its answer.

use std::sync::mpsc;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::{
    super::{
        database::send,
        failure::{Unavailable, thread_has_ended},
    },
    lease_worker::Command,
    leases::{Lease, Outcome},
};
use crate::queue::{Message, SettleError, Settlement};

/// Settles by the lease. Once the command is sent, the worker carries it out, even if the caller stops waiting.
pub(super) struct LeaseSettlement {
    lease: Lease,
    commands: mpsc::Sender<Command>,
}

impl LeaseSettlement {
    pub(super) fn new(lease: Lease, commands: mpsc::Sender<Command>) -> Self {
        Self { lease, commands }
    }

    async fn settle(&self, outcome: Outcome) -> Result<(), SettleError> {
        let (reply, answer) = oneshot::channel();
        send(&self.commands, Command::Settle { lease: self.lease, outcome, reply: Some(reply) })?;
        answer.await.map_err(|_| thread_has_ended())?
    }
}

#[async_trait]
impl Settlement for LeaseSettlement {
    async fn ack(self: Box<Self>) -> Result<(), SettleError> {
        self.settle(Outcome::Ack).await
    }

    async fn dead_letter(self: Box<Self>, _message: &Message, reason: &str) -> Result<(), SettleError> {
        self.settle(Outcome::DeadLetter(reason.to_owned())).await
    }

    async fn release(self: Box<Self>) -> Result<(), SettleError> {
        self.settle(Outcome::Release).await
    }

    async fn give_back(self: Box<Self>) -> Result<(), SettleError> {
        self.settle(Outcome::GiveBack).await
    }

    fn abandon(self: Box<Self>) {
        let command = Command::Settle { lease: self.lease, outcome: Outcome::Release, reply: None };
        // When the thread has ended, the lease ends by itself.
        let _ = send(&self.commands, command);
    }
}

impl From<Unavailable> for SettleError {
    fn from(Unavailable(reason): Unavailable) -> Self {
        Self::Unavailable(reason)
    }
}
