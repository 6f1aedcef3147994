//! Looking into the queue, from any process, whether or not the services live.

use std::{cmp::Reverse, collections::HashSet, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use lapin::{
    BasicProperties, Channel, Error,
    options::{BasicGetOptions, BasicNackOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};
use tokio::time::{sleep, timeout};

use super::{
    dialer::{Dialer, Line},
    fault::{Fault, has_code},
    settings::{Names, RabbitSettings},
    wire,
};
use crate::{
    inspect::{DeadLetter, InspectError, Pending, QueueDepth, QueueInspect, Sight},
    open::OpenError,
};

/// How long the broker has to accept us, and for each of its answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How soon it is looked whether dead letters that were given back are there.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// So many more than are wanted are kept before the oldest are dropped.
const SORTED_AT_ONCE: usize = 1_000;

/// So many dead letters are asked for at once.
const ASKED_AT_ONCE: usize = 32;

const NOT_FOUND: u16 = 404;

/// Looks into a RabbitMQ queue. The queue itself is only counted, never read: that would count as a delivery.
///
/// The broker does not tell how many messages are with consumers, nor how often any was redelivered: `leased` and
/// `redelivered` are 0, and `pending` names dead letters only. Dead letters are taken and given back; meanwhile
/// another inspection does not see them.
pub struct RabbitQueueInspect {
    dialer: Dialer,
    names: Names,
    delivery_limit: u32,
}

impl RabbitQueueInspect {
    /// An inspector of the queue; connects for each question. Of the settings, the address, the queue's name and
    /// its delivery limit count.
    ///
    /// # Errors
    /// See [`OpenError`]. A broker that is away is none.
    pub async fn open(settings: &RabbitSettings) -> Result<Self, OpenError> {
        Ok(Self {
            names: settings.names()?,
            dialer: Dialer::new(settings, format!("octet inspection of {}", settings.queue)).await?,
            delivery_limit: settings.delivery_limit,
        })
    }

    async fn connect(&self) -> Result<Line, InspectError> {
        timeout(ANSWER_TIMEOUT, self.dialer.dial())
            .await
            .unwrap_or_else(|_| Err(Fault::passing("the broker did not answer in time")))
            .map_err(unavailable)
    }

    /// Shows every dead letter to `look`, in no certain order, and gives them all back.
    async fn read(&self, mut look: impl FnMut(&BasicProperties)) -> Result<(), InspectError> {
        let Self { names, .. } = self;
        let line = self.connect().await?;
        let result = async {
            ready(&line, &names.queue).await?.ok_or_else(|| absent(&names.queue))?;
            match ready(&line, &names.dead_letters).await? {
                None | Some(0) => Ok(()),
                Some(count) => read_dead_letters(&line, &names.dead_letters, count, &mut look).await,
            }
        }
        .await;
        line.close().await;
        result
    }
}

#[async_trait]
impl QueueInspect for RabbitQueueInspect {
    fn sight(&self) -> Sight {
        Sight::DeadLetters
    }

    async fn depth(&self) -> Result<QueueDepth, InspectError> {
        let Self { names, .. } = self;
        let line = self.connect().await?;
        let counts = async {
            let queued = ready(&line, &names.queue).await?.ok_or_else(|| absent(&names.queue))?;
            let dead_lettered = ready(&line, &names.dead_letters).await?.unwrap_or_default();
            Ok(QueueDepth {
                ready: u64::from(queued),
                dead_lettered: u64::from(dead_lettered),
                ..QueueDepth::default()
            })
        }
        .await;
        line.close().await;
        counts
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, InspectError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut newest = Vec::new();
        // Stable, so that what is of one moment stays in the queue's order, which every reading may change.
        let keep_newest = |letters: &mut Vec<DeadLetter>| {
            letters.sort_by_key(|letter| Reverse(letter.at));
            letters.truncate(limit);
        };
        self.read(|properties| {
            let wire::Death { reason, attempts, at } = wire::death(properties, self.delivery_limit);
            newest.push(DeadLetter { id: wire::id(properties), reason, attempts, at });
            if newest.len() > limit.saturating_add(SORTED_AT_ONCE) {
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
    line: &Line,
    queue: &ShortString,
    count: u32,
    look: &mut impl FnMut(&BasicProperties),
) -> Result<(), InspectError> {
    let channel = channel(line).await?;
    let mut taken = 0;
    let mut letters = stream::iter(0..count)
        .map(|_| channel.basic_get(queue.clone(), BasicGetOptions::default()))
        .buffered(ASKED_AT_ONCE);
    while let Some(letter) = answer(letters.next()).await? {
        // Fewer than were counted: somebody else took some.
        let Some(letter) = letter.map_err(|error| of_broker(&error))? else { break };
        look(&letter.delivery.properties);
        taken += 1;
    }
    drop(letters);
    // All of this channel's. The goodbye does the same, but counts as a failed attempt from 4.3 on.
    let everything = BasicNackOptions { multiple: true, requeue: true };
    answer(channel.basic_nack(0, everything)).await?.map_err(|error| of_broker(&error))?;
    // The broker takes them back in its own time, and whoever looks next should find them.
    let are_back = async {
        while ready(line, queue).await?.is_some_and(|ready| ready < taken) {
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    };
    timeout(ANSWER_TIMEOUT, are_back).await.unwrap_or(Ok(()))
}

/// How many messages wait on a queue; nothing where there is no such queue.
async fn ready(line: &Line, queue: &ShortString) -> Result<Option<u32>, InspectError> {
    let channel = channel(line).await?;
    let passive = QueueDeclareOptions::default().passive();
    match answer(channel.queue_declare(queue.clone(), passive, FieldTable::default())).await? {
        Ok(queue) => Ok(Some(queue.message_count())),
        Err(error) if has_code(&error, NOT_FOUND) => Ok(None),
        Err(error) => Err(of_broker(&error)),
    }
}

async fn channel(line: &Line) -> Result<Channel, InspectError> {
    answer(line.connection.create_channel()).await?.map_err(|error| of_broker(&error))
}

async fn answer<T>(question: impl Future<Output = T>) -> Result<T, InspectError> {
    timeout(ANSWER_TIMEOUT, question)
        .await
        .map_err(|_| InspectError::Unavailable("the broker did not answer in time".to_owned()))
}

fn of_broker(error: &Error) -> InspectError {
    unavailable(Fault::from(error))
}

fn unavailable(fault: Fault) -> InspectError {
    InspectError::Unavailable(fault.reason)
}

fn absent(queue: &ShortString) -> InspectError {
    InspectError::Absent(format!("queue {queue}"))
}
