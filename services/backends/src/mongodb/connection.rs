//! The driver's client, created at opening or, when its hosts are in DNS, once they are found.

use std::{sync::Arc, time::Duration};

use mongodb::{
    Client, Collection,
    bson::RawDocumentBuf,
    error::Error,
    event::{EventHandler, sdam::SdamEvent},
    options::{ClientOptions, ConnectionString, Tls},
};
use tokio::{sync::watch, task::JoinHandle, time};

use super::{
    certificates,
    failure::{Unavailable, is_of_the_login, reason},
    health::Health,
    options,
    servers::{Servers, Transport},
    settings::MongoSettings,
};
use crate::{OpenError, backoff::Backoff};

/// Between DNS lookups.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(250), max: Duration::from_secs(2) };

/// A client of one collection. Its monitors run until this is dropped.
pub(super) struct Connection {
    health: Arc<Health>,
    client: watch::Receiver<Option<Client>>,
    /// Looks up the hosts until they are found.
    lookup: Option<JoinHandle<()>>,
    settings: MongoSettings,
}

impl Connection {
    /// Checks `settings` and starts to look for the servers. Waits for no server; needs a runtime.
    pub(super) async fn open(settings: MongoSettings) -> Result<Self, OpenError> {
        settings.check()?;
        let url = settings.address.connection_string().clone();
        certificates::check(&url)?;
        let health = Arc::new(Health::new(settings.address.to_string()));
        let (made, client) = watch::channel(None);
        let lookup = if settings.address.is_srv() {
            Some(tokio::spawn(look_up(url, Arc::clone(&health), made)))
        } else {
            // With hosts this does not wait.
            let client = connect(url, &health).await.map_err(|error| OpenError::Driver(reason(&error)))?;
            made.send_replace(Some(client));
            None
        };
        Ok(Self { health, client, lookup, settings })
    }

    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    pub(super) fn settings(&self) -> &MongoSettings {
        &self.settings
    }

    /// The collection, once its servers were seen; waits for that up to the server selection timeout.
    pub(super) async fn collection(&self) -> Result<Collection<RawDocumentBuf>, Unavailable> {
        let mut changes = self.health.changes();
        let seen = time::timeout(options::SERVER_SELECTION, changes.seen()).await;
        match (seen, self.client.borrow().as_ref()) {
            (Ok(Err(lost)), _) => Err(lost),
            (Ok(Ok(())), Some(client)) => {
                Ok(client.database(&self.settings.database).collection(&self.settings.collection))
            }
            _ => Err(self.unavailable("no server has been seen yet")),
        }
    }

    /// Why a call had no answer: the monitors' reason, or `otherwise`.
    pub(super) fn unavailable(&self, otherwise: &str) -> Unavailable {
        Unavailable(self.health.lost().unwrap_or_else(|| otherwise.to_owned()))
    }

    /// Why a call failed. Records a refused login.
    pub(super) fn failed(&self, error: &Error) -> Unavailable {
        let reason = reason(error);
        if is_of_the_login(error) {
            self.health.login_refused(reason.clone());
            return Unavailable(reason);
        }
        match error.kind.as_ref() {
            // The monitors know the cause; the driver's error names only the consequence.
            mongodb::error::ErrorKind::ServerSelection { .. }
            | mongodb::error::ErrorKind::ConnectionPoolCleared { .. } => self.unavailable(&reason),
            _ => Unavailable(reason),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(lookup) = &self.lookup {
            lookup.abort();
        }
    }
}

async fn connect(url: ConnectionString, health: &Arc<Health>) -> Result<Client, Error> {
    let mut options = options::complete(ClientOptions::parse(url).await?);
    let transport = match &options.tls {
        Some(Tls::Enabled(_)) => Transport::Tls,
        _ => Transport::Plain,
    };
    let health = Arc::clone(health);
    options.sdam_event_handler = Some(EventHandler::callback(move |event| {
        if let SdamEvent::TopologyDescriptionChanged(change) = event {
            health.saw(Servers::of(&change.new_description, transport));
        }
    }));
    Client::with_options(options)
}

/// Repeats the lookup until it succeeds: DNS may fail for a while.
async fn look_up(url: ConnectionString, health: Arc<Health>, made: watch::Sender<Option<Client>>) {
    for failures in 1.. {
        match connect(url.clone(), &health).await {
            Ok(client) => {
                made.send_replace(Some(client));
                return;
            }
            Err(error) => health.saw(Servers::Lost(reason(&error))),
        }
        time::sleep(BACKOFF.after(failures)).await;
    }
}
