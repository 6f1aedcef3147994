//! Makes the broker report its alarms to an idle publisher.

use std::time::Duration;

use lapin::{BasicProperties, Channel, Error, options::BasicPublishOptions, types::ShortString};
use tokio::time::sleep;

use super::{
    dialer::Connection,
    fault::{Fault, within},
};

/// The broker reserves names with this prefix: no client has a queue of this name.
const NOWHERE: &str = "amq.octet.nowhere";

/// How long the broker has to open a channel.
const CHANNEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two probes.
const INTERVAL: Duration = Duration::from_secs(1);

/// Publishes empty messages that reach no queue.
///
/// A broker reports an alarm only to a connection that publishes during it: an idle publisher would learn of it by its next
/// message. The broker then stops reading from the connection: a consumer, whose acknowledgements must be read, sends no
/// probes.
pub(super) struct AlarmProbe(Channel);

impl AlarmProbe {
    /// A probe on a channel of its own, without confirms: during an alarm, a confirm would not come.
    pub(super) async fn prepare(connection: &Connection) -> Result<Self, Fault> {
        within(CHANNEL_TIMEOUT, "open a channel", connection.create_channel()).await.map(Self)
    }

    /// Publishes until that fails. While the broker does not read, the next probe waits.
    pub(super) async fn repeat(self) -> Fault {
        loop {
            if let Err(error) = self.publish().await {
                return error.into();
            }
            sleep(INTERVAL).await;
        }
    }

    async fn publish(&self) -> Result<(), Error> {
        let nowhere = ShortString::try_new(NOWHERE).unwrap_or_default();
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        self.0.basic_publish(ShortString::default(), nowhere, options, b"", properties).await.map(drop)
    }
}
