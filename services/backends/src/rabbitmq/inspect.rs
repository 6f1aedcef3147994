//! Inspecting the queue, from any process, whether or not the services run.

use std::{cmp::Reverse, collections::HashSet, time::Duration};

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, stream};
use lapin::{
    BasicProperties, Channel,
    options::{BasicGetOptions, BasicNackOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};
use tokio::time::{sleep, timeout};

use super::{
    dialer::{Connection, Dialer},
    fault::{Fault, has_code, within},
    settings::{Names, RabbitSettings},
    wire,
};
use crate::{
    inspect::{DeadLetter, InspectError, Pending, QueueDepth, QueueInspect, Sight},
    open::OpenError,
};

/// For the connection, and for each of the broker's answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Between checks whether dead letters that were given back are in the queue again.
const CHECK_INTERVAL: Duration = Duration::from_millis(5);

/// How many more dead letters than requested are kept before the oldest are dropped.
const MAX_SURPLUS: usize = 1_000;

/// Concurrent requests for a dead letter.
const MAX_CONCURRENT: usize = 32;

const NOT_FOUND: u16 = 404;

/// Inspects a RabbitMQ queue. The messages of the queue itself are only counted: reading one would count as a delivery.
///
/// The broker reports neither how many messages are with consumers nor how often any was redelivered: `leased` and
/// `redelivered` are 0, and `pending` contains dead letters only. Dead letters are taken and given back; meanwhile
/// another inspection does not see them.
pub struct RabbitQueueInspect {
    dialer: Dialer,
    names: Names,
    delivery_limit: u32,
}

impl RabbitQueueInspect {
    /// An inspector of the queue; each call makes a connection. It uses the settings' address, queue and delivery
    /// limit.
    ///
    /// # Errors
    /// See [`OpenError`]. A broker that is unavailable is not an error.
    pub async fn open(settings: &RabbitSettings) -> Result<Self, OpenError> {
        Ok(Self {
            names: settings.names()?,
            dialer: Dialer::new(settings, format!("octet inspection of {}", settings.queue)).await?,
            delivery_limit: settings.delivery_limit,
        })
    }

    /// Runs `inspect` on a connection, once the queue is known to exist. `inspect` also gets the number of messages
    /// that are ready on the queue and on the dead letters' queue.
    async fn inspect<T>(
        &self,
        inspect: impl AsyncFnOnce(&Connection, u32, u32) -> Result<T, InspectError>,
    ) -> Result<T, InspectError> {
        let Names { queue, dead_letters } = &self.names;
        let connection = answer(Box::pin(self.dialer.dial())).await?;
        let inspecting = async {
            let absent = || InspectError::Absent(format!("queue {queue}"));
            let queued = ready(&connection, queue).await?.ok_or_else(absent)?;
            let dead_lettered = ready(&connection, dead_letters).await?.unwrap_or_default();
            inspect(&connection, queued, dead_lettered).await
        };
        let result = inspecting.await;
        connection.close().await;
        result
    }

    /// Shows every dead letter to `look`, in no certain order, and gives them all back.
    async fn read(&self, mut look: impl FnMut(&BasicProperties)) -> Result<(), InspectError> {
        self.inspect(async |connection, _, count| match count {
            0 => Ok(()),
            _ => read_dead_letters(connection, &self.names.dead_letters, count, &mut look).await,
        })
        .await
    }
}

#[async_trait]
impl QueueInspect for RabbitQueueInspect {
    fn sight(&self) -> Sight {
        Sight::DeadLetters
    }

    async fn depth(&self) -> Result<QueueDepth, InspectError> {
        self.inspect(async |_, queued, dead_lettered| {
            let (ready, dead_lettered) = (u64::from(queued), u64::from(dead_lettered));
            Ok(QueueDepth { ready, dead_lettered, ..QueueDepth::default() })
        })
        .await
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, InspectError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut newest = Vec::new();
        // A stable sort: letters of one moment stay in the queue's order, which every reading may change.
        let keep_newest = |letters: &mut Vec<DeadLetter>| {
            letters.sort_by_key(|letter| Reverse(letter.at));
            letters.truncate(limit);
        };
        self.read(|properties| {
            let wire::Death { reason, attempts, at } = wire::death(properties, self.delivery_limit);
            newest.push(DeadLetter { id: wire::id(properties), reason, attempts, at });
            if newest.len() > limit.saturating_add(MAX_SURPLUS) {
                keep_newest(&mut newest);
            }
        })
        .await?;
        keep_newest(&mut newest);
        Ok(newest)
    }

    async fn pending(&self, ids: &[String]) -> Result<Pending, InspectError> {
        let asked: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let mut found = HashSet::new();
        self.read(|properties| {
            let id = wire::id(properties);
            if asked.contains(id.as_str()) {
                found.insert(id);
            }
        })
        .await?;
        let dead_lettered = ids.iter().filter(|id| found.contains(*id)).cloned().collect();
        Ok(Pending { queued: Vec::new(), dead_lettered })
    }
}

/// Takes the first `count` dead letters, shows them to `look`, and returns once they are back.
async fn read_dead_letters(
    connection: &Connection,
    queue: &ShortString,
    count: u32,
    look: &mut impl FnMut(&BasicProperties),
) -> Result<(), InspectError> {
    let channel = channel(connection).await?;
    let mut taken = 0;
    let mut letters = stream::iter(0..count)
        .map(|_| channel.basic_get(queue.clone(), BasicGetOptions::default()))
        .buffered(MAX_CONCURRENT);
    while let Some(letter) = answer(letters.next().map(Ok::<_, Fault>)).await? {
        // Fewer than were counted: another client took some.
        let Some(letter) = letter.map_err(|error| unavailable(error.into()))? else { break };
        look(&letter.delivery.properties);
        taken += 1;
    }
    drop(letters);
    // All messages of this channel. Closing the connection does the same, but from 4.3 on counts as a failed attempt.
    let everything = BasicNackOptions { multiple: true, requeue: true };
    answer(channel.basic_nack(0, everything)).await?;
    // The broker takes them back asynchronously, and the next inspection should find them.
    let are_back = async {
        while ready(connection, queue).await?.is_some_and(|ready| ready < taken) {
            sleep(CHECK_INTERVAL).await;
        }
        Ok(())
    };
    timeout(ANSWER_TIMEOUT, are_back).await.unwrap_or(Ok(()))
}

/// How many messages wait on a queue; `None` if it does not exist.
async fn ready(connection: &Connection, queue: &ShortString) -> Result<Option<u32>, InspectError> {
    let channel = channel(connection).await?;
    let passive = QueueDeclareOptions::default().passive();
    let declaring = channel.queue_declare(queue.clone(), passive, FieldTable::default());
    let declared = declaring.map(|declared| match declared {
        Ok(queue) => Ok(Some(queue.message_count())),
        Err(error) if has_code(&error, NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    });
    answer(declared).await
}

async fn channel(connection: &Connection) -> Result<Channel, InspectError> {
    answer(connection.create_channel()).await
}

async fn answer<T, E: Into<Fault>>(request: impl Future<Output = Result<T, E>>) -> Result<T, InspectError> {
    within(ANSWER_TIMEOUT, "answer", request).await.map_err(unavailable)
}

fn unavailable(fault: Fault) -> InspectError {
    InspectError::Unavailable(fault.reason)
}
