//! The two queues, as they are declared with every connection.

use std::time::Duration;

use lapin::{
    Channel, Error,
    options::QueueDeclareOptions,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};

use super::{
    dialer::Connection,
    fault::{Fault, has_code, within},
    settings::Names,
};

/// How long the broker has to declare both queues. Electing a leader takes time.
const DECLARE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait before declaring a deleted queue again. A channel that learns of the deletion after a queue of the
/// same name exists mistakes the new queue for the old: its consumer is sent messages that never arrive (seen with 3.10).
pub(super) const DELETION_TIME: Duration = Duration::from_secs(1);

/// More deliveries than can happen.
const NO_LIMIT: i64 = i32::MAX as i64;

const PRECONDITION_FAILED: u16 = 406;

/// A queue and its dead letters.
#[derive(Clone)]
pub(super) struct Topology {
    pub(super) names: Names,
    pub(super) delivery_limit: u32,
}

impl Topology {
    /// Declares both queues. Succeeds, too, if they exist as they should be.
    pub(super) async fn declare(&self, connection: &Connection) -> Result<(), Fault> {
        let declaring = async {
            self.declare_dead_letters(connection).await?;
            self.declare_queue(connection).await
        };
        within(DECLARE_TIMEOUT, "declare the queues", declaring).await
    }

    async fn declare_queue(&self, connection: &Connection) -> Result<(), Fault> {
        let arguments = [
            ("x-queue-type", text("quorum")),
            // The broker counts the deliveries after the first.
            ("x-delivery-limit", AMQPValue::LongLongInt(i64::from(self.delivery_limit) - 1)),
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text(self.names.dead_letters.as_str())),
            // Otherwise a message may be lost on its way to the dead letters. It requires `reject-publish`.
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-overflow", text("reject-publish")),
        ];
        declare(&channel(connection).await?, &self.names.queue, durable(), &arguments)
            .await
            .map_err(|error| fault(&self.names.queue, error))
    }

    /// The dead letters' queue must never lose one, however often it is taken and given back.
    async fn declare_dead_letters(&self, connection: &Connection) -> Result<(), Fault> {
        let name = &self.names.dead_letters;
        let arguments = [
            ("x-queue-type", text("quorum")),
            // Without a limit, 4.0 and later set one of 20. Their value for no limit, -1, makes 3.x drop the first
            // message that is given back.
            ("x-delivery-limit", AMQPValue::LongLongInt(NO_LIMIT)),
        ];
        match declare(&channel(connection).await?, name, durable(), &arguments).await {
            // A queue that exists with other arguments is the operator's choice.
            Err(error) if has_code(&error, PRECONDITION_FAILED) => {
                declare(&channel(connection).await?, name, durable().passive(), &[]).await
            }
            declared => declared,
        }
        .map_err(|error| fault(name, error))
    }
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}

/// A channel for one declaration: the broker closes the channel when it refuses a declaration.
async fn channel(connection: &Connection) -> Result<Channel, Fault> {
    connection.create_channel().await.map_err(Fault::from)
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

fn fault(queue: &ShortString, error: Error) -> Fault {
    let fault = Fault::from(error);
    match inequivalent(&fault.reason) {
        Some((argument, text)) => Fault::permanent(format!(
            "queue {queue} exists with another {argument} ({text}): delete it once it is drained, or use \
             another QUEUE_NAME"
        )),
        None => fault,
    }
}

/// The argument's name and the broker's text about it, from "inequivalent arg 'x-queue-type' for queue 'greeting' in
/// vhost '/': received 'quorum' but current is 'classic'".
fn inequivalent(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once("inequivalent arg '")?;
    let (argument, rest) = rest.split_once('\'')?;
    let text = rest.find(": received").map_or(rest, |start| rest.get(start + 2..).unwrap_or(rest));
    Some((argument, text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_declaration_names_its_argument() {
        let text = "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'a: received' in vhost '/': \
                     received 'quorum' but current is 'classic'";
        assert_eq!(inequivalent(text).map(|(argument, _)| argument), Some("x-queue-type"));
        let text = text.replace("a: received", "a");
        let expected = ("x-queue-type", "received 'quorum' but current is 'classic'");
        assert_eq!(inequivalent(&text), Some(expected));
        assert_eq!(inequivalent("NOT_FOUND - no queue 'a'"), None);
    }
}
