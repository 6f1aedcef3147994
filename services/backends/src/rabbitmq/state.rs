//! Whether there is a connection, with one log line for every change.

use tokio::sync::watch;

use super::{
    address::RabbitAddress,
    fault::{Fault, FaultKind},
};

/// The state of one publisher's or consumer's connection.
pub(super) struct ConnectionState {
    name: String,
    address: RabbitAddress,
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// The first attempt is not finished: callers may wait.
    Connecting,
    Up,
    Down(Fault),
}

impl ConnectionState {
    pub(super) fn new(name: String, address: RabbitAddress) -> Self {
        Self { name, address, state: watch::Sender::new(State::Connecting) }
    }

    /// Why the connection is down; `None` while it is up or the first attempt is not finished.
    pub(super) fn down(&self) -> Option<String> {
        match &*self.state.borrow() {
            State::Down(fault) => Some(fault.reason.clone()),
            State::Connecting | State::Up => None,
        }
    }

    /// Whether there is a connection now.
    pub(super) fn check(&self) -> Result<(), String> {
        match &*self.state.borrow() {
            State::Up => Ok(()),
            State::Connecting => Err("still connecting".to_owned()),
            State::Down(fault) => Err(fault.reason.clone()),
        }
    }

    /// Returns once there is no connection.
    pub(super) async fn is_not_up(&self) {
        // The sender lives as long as `self`.
        let _ = self.state.subscribe().wait_for(|state| *state != State::Up).await;
    }

    pub(super) fn set_up(&self) {
        if let State::Down(_) = self.state.send_replace(State::Up) {
            tracing::info!(connection = self.name, address = %self.address, "RabbitMQ back");
        }
    }

    pub(super) fn set_down(&self, fault: &Fault) {
        let is_news = match self.state.send_replace(State::Down(fault.clone())) {
            State::Connecting | State::Up => true,
            State::Down(before) => before != *fault && fault.kind == FaultKind::Permanent,
        };
        if is_news {
            let Fault { reason, .. } = fault;
            tracing::warn!(connection = self.name, address = %self.address, reason, "RabbitMQ lost");
        }
    }
}
