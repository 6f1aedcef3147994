//! Whether calls may pass, with one log line for every change.

use std::time::Duration;

use mongodb::bson::RawDocumentBuf;
use tokio::{sync::watch, time::Instant};

use super::{failure::Unavailable, servers::Servers};

/// After a refused login, calls fail with the reason for this long before one tries again.
const LOGIN_PAUSE: Duration = Duration::from_millis(500);

/// The state of the servers behind one address, as one client sees it.
pub(super) struct Health {
    address: String,
    state: watch::Sender<State>,
}

#[derive(Debug, Clone)]
struct State {
    servers: Servers,
    login: Login,
    /// Monitors do not write, so this comes from calls.
    refused_write: Option<RefusedWrite>,
}

/// A document that the server could not store although it accepts commands, as with a full disk.
#[derive(Debug, Clone)]
pub(super) struct RefusedWrite {
    pub(super) reason: String,
    pub(super) document: RawDocumentBuf,
}

/// The monitors do not log in, so this comes from calls.
#[derive(Debug, Clone)]
enum Login {
    NotRefused,
    Refused { reason: String, retry_at: Instant },
}

impl Health {
    /// `address` is logged and must be masked.
    pub(super) fn new(address: String) -> Self {
        Self {
            address,
            state: watch::Sender::new(State {
                servers: Servers::Unseen,
                login: Login::NotRefused,
                refused_write: None,
            }),
        }
    }

    /// Whether a call may pass now. If not, it fails at once with the reason: the caller, which knows its deadline,
    /// decides whether to wait.
    pub(super) fn may_pass(&self) -> Result<(), Unavailable> {
        let state = self.state.borrow();
        match (&state.servers, &state.login) {
            (Servers::Lost(reason), _) => Err(Unavailable(reason.clone())),
            (_, Login::Refused { reason, retry_at }) if Instant::now() < *retry_at => {
                Err(Unavailable(reason.clone()))
            }
            _ => Ok(()),
        }
    }

    /// A view of changes.
    pub(super) fn changes(&self) -> Changes {
        Changes(self.state.subscribe())
    }

    /// Why no server can take writes, if the monitors report that.
    pub(super) fn lost(&self) -> Option<String> {
        match &self.state.borrow().servers {
            Servers::Lost(reason) => Some(reason.clone()),
            Servers::Unseen | Servers::Writable => None,
        }
    }

    /// Records what the monitors see.
    pub(super) fn saw(&self, servers: Servers) {
        self.change(|state| {
            // A server that the monitors check again is not back yet.
            if servers != Servers::Unseen || !matches!(state.servers, Servers::Lost(_)) {
                state.servers = servers;
            }
        });
    }

    /// Records that a call's login was refused.
    pub(super) fn login_refused(&self, reason: String) {
        self.change(|state| {
            state.login = Login::Refused { reason, retry_at: Instant::now() + LOGIN_PAUSE };
        });
    }

    /// Records that a call was answered, so the login works.
    pub(super) fn answered(&self) {
        if matches!(self.state.borrow().login, Login::Refused { .. }) {
            self.change(|state| state.login = Login::NotRefused);
        }
    }

    /// Records that the server stores nothing now. Only a successful write ends this.
    pub(super) fn write_refused(&self, refused: RefusedWrite) {
        self.change(|state| state.refused_write = Some(refused));
    }

    /// Records a successful write.
    pub(super) fn wrote(&self) {
        if self.state.borrow().refused_write.is_some() {
            self.change(|state| state.refused_write = None);
        }
    }

    /// The last refused write, unless another succeeded since.
    pub(super) fn refused_write(&self) -> Option<RefusedWrite> {
        self.state.borrow().refused_write.clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(|state| {
            let before = state.fault();
            change(state);
            match (before, state.fault()) {
                (None, Some(reason)) => tracing::warn!(address = self.address, reason, "MongoDB lost"),
                (Some(_), None) if state.servers == Servers::Writable => {
                    tracing::info!(address = self.address, "MongoDB back");
                }
                _ => {}
            }
        });
    }
}

impl State {
    fn fault(&self) -> Option<String> {
        match (&self.servers, &self.login) {
            (Servers::Lost(reason), _) | (_, Login::Refused { reason, .. }) => Some(reason.clone()),
            _ => self.refused_write.as_ref().map(|refused| refused.reason.clone()),
        }
    }
}

/// Waits for changes of a [`Health`].
pub(super) struct Changes(watch::Receiver<State>);

impl Changes {
    /// Returns at the next change, or never when the [`Health`] is dropped.
    pub(super) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns once the servers were seen, with an error if none can take writes.
    pub(super) async fn seen(&mut self) -> Result<(), Unavailable> {
        loop {
            match &self.0.borrow_and_update().servers {
                Servers::Unseen => {}
                Servers::Writable => return Ok(()),
                Servers::Lost(reason) => return Err(Unavailable(reason.clone())),
            }
            self.next().await;
        }
    }

    /// Returns the reason once no server can take writes.
    pub(super) async fn lost(&mut self) -> Unavailable {
        loop {
            if let Servers::Lost(reason) = &self.0.borrow_and_update().servers {
                return Unavailable(reason.clone());
            }
            self.next().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health::new("mongodb://***@host".to_owned())
    }

    fn lost(reason: &str) -> Servers {
        Servers::Lost(reason.to_owned())
    }

    fn refusal(reason: &str) -> Result<(), Unavailable> {
        Err(Unavailable(reason.to_owned()))
    }

    #[test]
    fn calls_pass_until_a_loss_is_known_and_again_when_a_server_is_seen() {
        let health = health();
        assert_eq!(health.may_pass(), Ok(()));
        health.saw(lost("refused"));
        assert_eq!(health.may_pass(), refusal("refused"));
        health.saw(Servers::Unseen);
        assert_eq!(health.may_pass(), refusal("refused"));
        health.saw(lost("reset"));
        assert_eq!((health.may_pass(), health.lost()), (refusal("reset"), Some("reset".to_owned())));
        health.saw(Servers::Writable);
        assert_eq!((health.may_pass(), health.lost()), (Ok(()), None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_login_is_tried_again_after_a_pause_and_forgotten_after_an_answer() {
        let health = health();
        health.saw(Servers::Writable);
        health.login_refused("no such user".to_owned());
        // The monitors need no login.
        health.saw(Servers::Writable);
        assert_eq!(health.may_pass(), refusal("no such user"));
        tokio::time::advance(LOGIN_PAUSE).await;
        assert_eq!(health.may_pass(), Ok(()));
        health.login_refused("no such user".to_owned());
        health.answered();
        assert_eq!(health.may_pass(), Ok(()));
    }

    #[tokio::test]
    async fn a_change_ends_the_wait_for_it() {
        let health = health();
        let mut changes = health.changes();
        health.saw(Servers::Writable);
        changes.next().await;
        health.saw(lost("refused"));
        assert_eq!(changes.lost().await, Unavailable("refused".to_owned()));
    }
}
