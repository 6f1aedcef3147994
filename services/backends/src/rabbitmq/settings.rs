//! One queue on one broker, and how the adapters treat it.

use std::time::Duration;

use lapin::types::ShortString;

use super::address::RabbitAddress;
use crate::open::{self, OpenError};

/// The suffix of the dead letters' queue.
const DEAD_LETTERS: &str = ".dlq";

/// Leaves room for [`DEAD_LETTERS`] in AMQP's 255 bytes.
const MAX_NAME: usize = 255 - DEAD_LETTERS.len();

/// One queue; its publishers, its consumers and its inspectors take the same settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RabbitSettings {
    /// Where the broker is.
    pub address: RabbitAddress,
    /// The queue's name, 1 to 251 bytes; its dead letters are on `<queue>.dlq`.
    pub queue: String,
    /// How many deliveries a consumer may hold unsettled, 1 to 65,535. Default 100.
    pub prefetch: u16,
    /// How often a message is delivered before it is dead-lettered, at least once. Default 20.
    ///
    /// The limit belongs to the queue: a publisher or a consumer with another limit stays unavailable, because the
    /// queue exists with another argument.
    pub delivery_limit: u32,
    /// How long a publisher waits for the broker's confirm, 1 ms to 60 s. Default 5 s.
    pub confirm_timeout: Duration,
    /// The interval of heartbeats, 1 to 3,600 s, whole seconds. After two intervals of silence the connection is
    /// lost. Default 2 s, or the address's `heartbeat`.
    pub heartbeat: Duration,
    /// The timeout for a connection to each of the host's addresses, 1 ms to 60 s. Default 2 s, or the
    /// address's `connection_timeout`.
    pub connect_timeout: Duration,
}

impl RabbitSettings {
    /// The queue's settings, with the defaults.
    pub fn new(address: RabbitAddress, queue: &str) -> Self {
        Self {
            queue: queue.to_owned(),
            prefetch: 100,
            delivery_limit: 20,
            confirm_timeout: Duration::from_secs(5),
            heartbeat: address.heartbeat.unwrap_or(Duration::from_secs(2)),
            connect_timeout: address.connection_timeout.unwrap_or(Duration::from_secs(2)),
            address,
        }
    }

    /// The names of the queue and of its dead letters, once the settings are checked.
    pub(super) fn names(&self) -> Result<Names, OpenError> {
        let a_while = Duration::from_millis(1)..=Duration::from_mins(1);
        let heartbeat = self.heartbeat.as_secs();
        open::check(&[
            ((1..=MAX_NAME).contains(&self.queue.len()), "queue", "must have 1 to 251 bytes"),
            (!self.queue.starts_with("amq."), "queue", "must not start with amq., which the broker reserves"),
            (self.prefetch >= 1, "prefetch", "must be 1 to 65535"),
            (self.delivery_limit >= 1, "delivery_limit", "must be at least 1"),
            (a_while.contains(&self.confirm_timeout), "confirm_timeout", "must be 1 ms to 60 s"),
            (a_while.contains(&self.connect_timeout), "connect_timeout", "must be 1 ms to 60 s"),
            (
                (1..=3_600).contains(&heartbeat) && self.heartbeat.subsec_nanos() == 0,
                "heartbeat",
                "must be 1 to 3600 whole seconds",
            ),
        ])?;
        let short = |name: String| {
            ShortString::try_new(name)
                .map_err(|_| OpenError::Invalid { setting: "queue", rule: "must have 1 to 251 bytes" })
        };
        Ok(Names {
            queue: short(self.queue.clone())?,
            dead_letters: short(format!("{}{DEAD_LETTERS}", self.queue))?,
        })
    }
}

/// The two queues' names.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) queue: ShortString,
    pub(super) dead_letters: ShortString,
}
