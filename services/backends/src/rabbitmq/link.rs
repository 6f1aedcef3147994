//! Whether there is a connection, for everybody who asks, and one log line for every change.

use tokio::sync::watch;

use super::{
    address::RabbitAddress,
    fault::{Cure, Fault},
};

/// The state of one publisher's or consumer's connection.
pub(super) struct Link {
    name: String,
    address: RabbitAddress,
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing has been tried yet; who calls now may wait.
    Connecting,
    Up,
    Down(Fault),
}

impl Link {
    pub(super) fn new(name: String, address: RabbitAddress) -> Self {
        Self { name, address, state: watch::Sender::new(State::Connecting) }
    }

    /// Why there is no connection, unless there is one or the first attempt is still under way.
    pub(super) fn lost(&self) -> Option<String> {
        match &*self.state.borrow() {
            State::Down(fault) => Some(fault.reason.clone()),
            State::Connecting | State::Up => None,
        }
    }

    /// Whether there is a connection now.
    pub(super) fn check(&self) -> Result<(), String> {
        match &*self.state.borrow() {
            State::Up => Ok(()),
            State::Connecting => Err("it is being connected to".to_owned()),
            State::Down(fault) => Err(fault.reason.clone()),
        }
    }

    /// Returns once there is no connection.
    pub(super) async fn is_not_up(&self) {
        // The sender lives as long as `self`.
        let _ = self.state.subscribe().wait_for(|state| *state != State::Up).await;
    }

    pub(super) fn up(&self) {
        if let State::Down(_) = self.state.send_replace(State::Up) {
            tracing::info!(connection = self.name, address = %self.address, "RabbitMQ back");
        }
    }

    pub(super) fn down(&self, fault: &Fault) {
        let before = self.state.send_replace(State::Down(fault.clone()));
        let is_news = match before {
            State::Connecting | State::Up => true,
            State::Down(before) => before != *fault && fault.cure == Cure::Operator,
        };
        if is_news {
            tracing::warn!(
                connection = self.name,
                address = %self.address,
                reason = fault.reason,
                "RabbitMQ lost"
            );
        }
    }
}
