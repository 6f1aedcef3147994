//! One session of the database.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls, config::SslMode};

use super::{address::PostgresAddress, tls};
use crate::LakeError;

/// The `application_name` of Octet's sessions, by which they recognise each other.
pub(super) const APPLICATION: &str = "octet hydrate";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A session. Its socket is closed when this is dropped.
pub(super) struct Connection {
    pub(super) client: Client,
    /// The time zone that the role and the database are configured with.
    pub(super) zone: String,
    /// Whether the server is a replica.
    pub(super) is_replica: bool,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    pub(super) async fn open(address: &PostgresAddress) -> Result<Self, LakeError> {
        let opening = tokio::time::timeout(CONNECT_TIMEOUT, Self::connect(address));
        let timeout =
            || LakeError::Unavailable(format!("{address}: no connection within {CONNECT_TIMEOUT:?}"));
        opening.await.map_err(|_| timeout())?
    }

    async fn connect(address: &PostgresAddress) -> Result<Self, LakeError> {
        let mut config = address.config().clone();
        config.application_name(APPLICATION);
        let (client, driver) = if config.get_ssl_mode() == SslMode::Disable {
            let (client, connection) = config.connect(NoTls).await?;
            (client, tokio::spawn(async { drop(connection.await) }))
        } else {
            let (client, connection) = config.connect(tls::connector(address)?).await?;
            (client, tokio::spawn(async { drop(connection.await) }))
        };
        let facts = "SELECT current_setting('TimeZone'), pg_is_in_recovery()";
        let facts = client.query_one(facts, &[]).await?;
        let (zone, is_replica) = (facts.try_get(0)?, facts.try_get(1)?);
        // Dates, timestamps and intervals that are cast to text, and those of positions, must mean the same in every
        // session, whatever the role's settings. Floats in their shortest exact form.
        let settings = "SET DateStyle TO 'ISO, YMD'; SET TimeZone TO 'UTC'; SET IntervalStyle TO 'postgres'; \
             SET extra_float_digits TO 1; SET bytea_output TO 'hex'; SET default_transaction_read_only TO on; \
             SET statement_timeout TO 0";
        client.batch_execute(settings).await?;
        Ok(Self { client, zone, is_replica, driver })
    }
}
