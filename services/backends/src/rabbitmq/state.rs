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
    /// Up, but the broker accepts no messages because of an alarm.
    Blocked,
    Down(Fault),
}

/// The reason while the broker has blocked the connection.
const ALARM: &str = "the broker accepts no messages now: it is short of memory or disk space";

impl ConnectionState {
    pub(super) fn new(name: String, address: RabbitAddress) -> Self {
        Self { name, address, state: watch::Sender::new(State::Connecting) }
    }

    /// Why the connection is down; `None` while there is one or the first attempt is not finished.
    pub(super) fn down(&self) -> Option<String> {
        match &*self.state.borrow() {
            State::Down(fault) => Some(fault.reason.clone()),
            State::Connecting | State::Up | State::Blocked => None,
        }
    }

    /// Whether there is a connection now on which the broker accepts messages.
    pub(super) fn check(&self) -> Result<(), String> {
        match &*self.state.borrow() {
            State::Up => Ok(()),
            State::Connecting => Err("still connecting".to_owned()),
            State::Blocked => Err(ALARM.to_owned()),
            State::Down(fault) => Err(fault.reason.clone()),
        }
    }

    /// As [`check`](Self::check), without an error while the first attempt to connect is not finished.
    pub(super) fn may_publish(&self) -> Result<(), String> {
        if *self.state.borrow() == State::Connecting { Ok(()) } else { self.check() }
    }

    /// Returns once there is no connection.
    pub(super) async fn disconnected(&self) {
        let is_connected = |state: &State| matches!(state, State::Up | State::Blocked);
        // The sender lives as long as `self`.
        let _ = self.state.subscribe().wait_for(|state| !is_connected(state)).await;
    }

    pub(super) fn set_up(&self) {
        if let State::Down(_) | State::Blocked = self.state.send_replace(State::Up) {
            tracing::info!(connection = self.name, address = %self.address, "RabbitMQ back");
        }
    }

    /// Records whether the broker has blocked the connection.
    pub(super) fn set_blocked(&self, blocked: bool) {
        let before = self.state.borrow().clone();
        match (before, blocked) {
            (State::Up, true) => {
                self.state.send_replace(State::Blocked);
                tracing::warn!(connection = self.name, address = %self.address, reason = ALARM, "RabbitMQ lost");
            }
            (State::Blocked, false) => self.set_up(),
            _ => {}
        }
    }

    pub(super) fn set_down(&self, fault: &Fault) {
        let is_news = match self.state.send_replace(State::Down(fault.clone())) {
            State::Connecting | State::Up | State::Blocked => true,
            State::Down(before) => before != *fault && fault.kind == FaultKind::Permanent,
        };
        if is_news {
            let Fault { reason, .. } = fault;
            tracing::warn!(connection = self.name, address = %self.address, reason, "RabbitMQ lost");
        }
    }
}
