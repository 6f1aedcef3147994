//! The two queues, as they are declared with every connection.

use std::time::Duration;

use lapin::{
    Channel, Error,
    options::QueueDeclareOptions,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};
use tokio::time::timeout;

use super::{
    dialer::Line,
    fault::{Fault, has_code},
    settings::Names,
};

/// How long the broker has to declare both queues. Electing a leader takes a while.
const DECLARE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a deleted queue is left alone before it is declared again. A channel that hears of the deletion after a
/// queue of the same name is there takes the new one for the old: its consumer is sent messages and never hands
/// them on (seen with 3.10).
pub(super) const DELETION_TIME: Duration = Duration::from_secs(1);

/// More deliveries than there will ever be.
const NO_LIMIT: i64 = i32::MAX as i64;

const PRECONDITION_FAILED: u16 = 406;

/// A queue and its dead letters.
#[derive(Clone)]
pub(super) struct Topology {
    pub(super) names: Names,
    pub(super) delivery_limit: u32,
}

impl Topology {
    /// Declares both queues; finding them as they should be is a success.
    pub(super) async fn declare(&self, line: &Line) -> Result<(), Fault> {
        timeout(DECLARE_TIMEOUT, async {
            self.declare_dead_letters(line).await?;
            self.declare_queue(line).await
        })
        .await
        .unwrap_or_else(|_| Err(Fault::passing("the broker did not declare the queues in time")))
    }

    async fn declare_queue(&self, line: &Line) -> Result<(), Fault> {
        let arguments = [
            ("x-queue-type", text("quorum")),
            // The broker allows so many deliveries after the first.
            ("x-delivery-limit", AMQPValue::LongLongInt(i64::from(self.delivery_limit) - 1)),
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text(self.names.dead_letters.as_str())),
            // Else a message may be lost on its way to the dead letters; it works with `reject-publish` only.
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-overflow", text("reject-publish")),
        ];
        declare(&channel(line).await?, &self.names.queue, durable(), &arguments)
            .await
            .map_err(|error| fault(&self.names.queue, &error))
    }

    /// The dead letters' queue is never to lose one, however often somebody looks at it, takes it and gives it back.
    async fn declare_dead_letters(&self, line: &Line) -> Result<(), Fault> {
        let name = &self.names.dead_letters;
        let arguments = [
            ("x-queue-type", text("quorum")),
            // 4.0 and later have a limit of 20 where there is none. Their word for no limit, -1, is taken by 3.x to
            // mean that the first message to be given back is dropped.
            ("x-delivery-limit", AMQPValue::LongLongInt(NO_LIMIT)),
        ];
        match declare(&channel(line).await?, name, durable(), &arguments).await {
            // One that is there with other arguments is somebody's choice.
            Err(error) if has_code(&error, PRECONDITION_FAILED) => {
                declare(&channel(line).await?, name, durable().passive(), &[]).await
            }
            declared => declared,
        }
        .map_err(|error| fault(name, &error))
    }
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}

/// A channel for one declaration: one that is refused ends its channel.
async fn channel(line: &Line) -> Result<Channel, Fault> {
    line.connection.create_channel().await.map_err(|error| Fault::from(&error))
}

async fn declare(
    channel: &Channel,
    queue: &ShortString,
    options: QueueDeclareOptions,
    arguments: &[(&str, AMQPValue)],
) -> Result<(), Error> {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        if let Ok(name) = ShortString::try_new(*name) {
            table.insert(name, value.clone());
        }
    }
    channel.queue_declare(queue.clone(), options, table).await.map(drop)
}

fn durable() -> QueueDeclareOptions {
    QueueDeclareOptions::durable()
}

fn fault(queue: &ShortString, error: &Error) -> Fault {
    let fault = Fault::from(error);
    match inequivalent(&fault.reason) {
        Some((argument, words)) => Fault::lasting(format!(
            "queue {queue} exists with another {argument} ({words}): delete it once it is drained, or use \
             another QUEUE_NAME"
        )),
        None => fault,
    }
}

/// The argument's name and the broker's words on it, from "inequivalent arg 'x-queue-type' for queue 'greeting' in
/// vhost '/': received 'quorum' but current is 'classic'".
fn inequivalent(words: &str) -> Option<(&str, &str)> {
    let (_, rest) = words.split_once("inequivalent arg '")?;
    let (argument, rest) = rest.split_once('\'')?;
    let words = rest.find(": received").map_or(rest, |start| rest.get(start + 2..).unwrap_or(rest));
    Some((argument, words.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_declaration_names_its_argument() {
        let words = "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'a: received' in vhost '/': \
                     received 'quorum' but current is 'classic'";
        assert_eq!(inequivalent(words).map(|(argument, _)| argument), Some("x-queue-type"));
        let words = words.replace("a: received", "a");
        let expected = ("x-queue-type", "received 'quorum' but current is 'classic'");
        assert_eq!(inequivalent(&words), Some(expected));
        assert_eq!(inequivalent("NOT_FOUND - no queue 'a'"), None);
    }
}
