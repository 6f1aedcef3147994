//! The task that keeps one connection: connects, works, notices the loss, connects again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    alarm_probe::AlarmProbe,
    confirm_channel::{self, Ended},
    dialer::{Connection, Dialer},
    fault::{Fault, FaultKind},
    outbox::{Inbox, Outbox, outbox},
    settings::{Names, RabbitSettings},
    state::ConnectionState,
    subscription::Subscription,
    topology::Topology,
};
use crate::{
    backoff::{Backoff, jittered},
    open::OpenError,
};

/// Between attempts to connect.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(50), max: Duration::from_secs(1) };

/// The longest wait before the next attempt where an operator has to act.
const OPERATOR_WAIT: Duration = Duration::from_secs(4);

/// A connection that lived for less counts as another failed attempt.
const STABLE: Duration = Duration::from_secs(5);

pub(super) struct Supervisor {
    dialer: Dialer,
    topology: Topology,
    state: Arc<ConnectionState>,
    inbox: Inbox,
    /// A consumer's.
    subscription: Option<Subscription>,
    /// Failed attempts in a row.
    failures: u32,
}

impl Supervisor {
    /// Starts keeping a connection in the background, and returns its publisher's or consumer's side.
    /// `role` is shown to the broker's operator.
    ///
    /// # Errors
    /// See [`OpenError`]. A broker that is unavailable or refuses us is not an error.
    pub(super) async fn start(
        settings: &RabbitSettings,
        names: Names,
        role: &str,
        subscription: Option<Subscription>,
    ) -> Result<(Outbox, Arc<ConnectionState>), OpenError> {
        let name = format!("octet {role} of {}", settings.queue);
        let state = Arc::new(ConnectionState::new(name.clone(), settings.address.clone()));
        let (outbox, inbox) = outbox(Arc::clone(&state), settings.confirm_timeout);
        let supervisor = Self {
            dialer: Dialer::new(settings, name).await?,
            topology: Topology { names, delivery_limit: settings.delivery_limit },
            state: Arc::clone(&state),
            inbox,
            subscription,
            failures: 0,
        };
        tokio::spawn(supervisor.run());
        Ok((outbox, state))
    }

    /// Keeps the connection until no caller is left.
    async fn run(mut self) {
        while !self.inbox.is_finished() {
            let fault = match self.connect().await {
                None => return,
                Some(Err(fault)) => fault,
                Some(Ok(connection)) => {
                    let connected = Instant::now();
                    self.state.set_up();
                    match self.work(&connection).await {
                        Ended::Finished => return connection.close().await,
                        Ended::Lost(fault) => {
                            if connected.elapsed() >= STABLE {
                                self.failures = 0;
                            }
                            fault
                        }
                    }
                }
            };
            self.state.set_down(&fault);
            self.failures = self.failures.saturating_add(1);
            let wait = match fault.kind {
                FaultKind::Transient => BACKOFF.after(self.failures),
                FaultKind::Permanent => jittered(OPERATOR_WAIT),
            };
            if self.inbox.refuse_during(sleep(wait), &fault.reason).await.is_none() {
                return;
            }
        }
    }

    /// A connection with both queues declared; `None` once no caller is left.
    async fn connect(&mut self) -> Option<Result<Connection, Fault>> {
        let connecting = async {
            let connection = self.dialer.dial().await?;
            self.topology.declare(&connection).await?;
            Ok(connection)
        };
        match self.state.down() {
            None => Some(connecting.await),
            Some(reason) => self.inbox.refuse_during(connecting, &reason).await,
        }
    }

    async fn work(&mut self, connection: &Connection) -> Ended {
        let publish_all = async |inbox: &mut Inbox, probe| {
            confirm_channel::publish_all(inbox, connection, &self.state, &self.topology, probe).await
        };
        match &mut self.subscription {
            None => match AlarmProbe::prepare(connection).await {
                Ok(probe) => publish_all(&mut self.inbox, Some(probe)).await,
                Err(fault) => Ended::Lost(fault),
            },
            Some(subscription) => tokio::select! {
                ended = publish_all(&mut self.inbox, None) => ended,
                fault = subscription.consume(connection) => Ended::Lost(fault),
            },
        }
    }
}
