//! Publishing with confirms: many messages in flight at once, on one channel.

use std::{
    collections::HashSet,
    pin::pin,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use lapin::{
    Channel, Confirmation, Error, ErrorKind,
    message::BasicReturnMessage,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{
    alarm_probe::AlarmProbe,
    dialer::Connection,
    fault::{Fault, is_of_the_channel, within},
    outbox::{Inbox, Publish, Refusal},
    state::ConnectionState,
    topology::{DELETION_TIME, Topology},
};

/// Further messages wait in the outbox.
const MAX_IN_FLIGHT: usize = 1_024;

/// How long the broker has to open a channel, or to report a closed one for every message in flight.
const CHANNEL_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the connection is checked: its end may cause no event.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// How long a new channel may leave everything unconfirmed. To a quorum queue that has no leader yet, as after a
/// node's start, the broker repeats a channel's messages only after 10 s; on another channel they arrive at once.
const FIRST_CONFIRM_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a channel that has confirmed messages may.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);

/// How a connection's work ended.
pub(super) enum Ended {
    /// The publisher, or the consumer and all its deliveries, have been dropped.
    Finished,
    /// The connection or the queue is lost.
    Lost(Fault),
}

/// Publishes what comes to `inbox`, on one channel after another, until the connection is lost or no caller is left.
pub(super) async fn publish_all(
    inbox: &mut Inbox,
    connection: &Connection,
    state: &ConnectionState,
    topology: &Topology,
    probe: Option<AlarmProbe>,
) -> Ended {
    let mut probes = pin!(async {
        match probe {
            Some(probe) => probe.repeat().await,
            None => std::future::pending().await,
        }
    });
    let mut max_body = None;
    loop {
        let channel = match ConfirmChannel::open(connection, state, topology, max_body).await {
            Ok(channel) => channel,
            Err(fault) => return Ended::Lost(fault),
        };
        // Probes start here: during an alarm the broker opens no channel for a connection that has published.
        let closed = tokio::select! {
            closed = channel.run(inbox) => closed,
            fault = &mut probes => return Ended::Lost(fault),
        };
        match closed {
            Closed::Channel { max_body: known } => max_body = known,
            Closed::Connection(ended) => return ended,
        }
    }
}

/// A channel in confirm mode, and what is known about the messages in flight on it.
struct ConfirmChannel<'a> {
    connection: &'a Connection,
    state: &'a ConnectionState,
    topology: &'a Topology,
    channel: Channel,
    /// The longest body, in bytes, that this connection's broker accepts, once it has reported that.
    max_body: Option<usize>,
    /// How many messages have been published on this channel.
    published: u64,
    /// Tokens of messages that were returned and whose confirm has not been seen yet.
    returned: HashSet<ShortString>,
    /// Since when the channel is closed while messages are still in flight.
    closing: Option<Instant>,
    /// When a message was last confirmed, or the first of those in flight was sent.
    progress: Instant,
    has_confirmed: bool,
    /// When a message was first returned because its queue does not exist, until the queue is declared again.
    queue_missing: Option<Instant>,
}

enum Closed {
    /// The broker closed the channel because of one message; the others go on another channel.
    Channel {
        max_body: Option<usize>,
    },
    Connection(Ended),
}

/// The broker's answer to a publish.
struct Done {
    publish: Publish,
    token: ShortString,
    result: Result<Confirmation, Error>,
}

impl<'a> ConfirmChannel<'a> {
    async fn open(
        connection: &'a Connection,
        state: &'a ConnectionState,
        topology: &'a Topology,
        max_body: Option<usize>,
    ) -> Result<Self, Fault> {
        let opening = async {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok::<_, Error>(channel)
        };
        Ok(Self {
            connection,
            state,
            topology,
            channel: within(CHANNEL_TIMEOUT, "open a channel", opening).await?,
            max_body,
            published: 0,
            returned: HashSet::new(),
            closing: None,
            progress: Instant::now(),
            has_confirmed: false,
            queue_missing: None,
        })
    }

    async fn run(mut self, inbox: &mut Inbox) -> Closed {
        let lost = |fault| Closed::Connection(Ended::Lost(fault));
        let mut in_flight = FuturesUnordered::new();
        for publish in inbox.retries.drain(..).filter(|publish| !publish.is_abandoned()) {
            in_flight.push(self.publish(publish));
        }
        let mut check = interval(CHECK_INTERVAL);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut no_caller_left = false;
        loop {
            match self.closing {
                Some(_) if in_flight.is_empty() => return Closed::Channel { max_body: self.max_body },
                None if no_caller_left && in_flight.is_empty() => return Closed::Connection(Ended::Finished),
                _ => {}
            }
            let accepts = self.closing.is_none() && !no_caller_left && in_flight.len() < MAX_IN_FLIGHT;
            tokio::select! {
                Some(done) = in_flight.next() => {
                    // lapin attaches a returned message to whichever confirm it handles next, of the same message or
                    // another. So everything that is ready now is read before any of it is believed.
                    let mut batch = vec![done];
                    self.await_whole_frame();
                    while let Some(Some(done)) = in_flight.next().now_or_never() {
                        batch.push(done);
                    }
                    self.progress = Instant::now();
                    if let Err(fault) = self.conclude(batch, inbox) {
                        return lost(fault);
                    }
                }
                publish = inbox.publishes.recv(), if accepts => match publish {
                    None => no_caller_left = true,
                    Some(publish) => if let Some(publish) = self.admit(publish) {
                        if in_flight.is_empty() {
                            self.progress = Instant::now();
                        }
                        in_flight.push(self.publish(publish));
                    },
                },
                _ = check.tick() => {
                    let stuck = self.closing.is_some_and(|since| since.elapsed() > CHANNEL_TIMEOUT);
                    if stuck || !self.connection.status().connected() {
                        return lost(Fault::transient("the connection was lost"));
                    }
                    let blocked = self.connection.status().blocked();
                    self.state.set_blocked(blocked);
                    if blocked {
                        // Their callers are answered now, although the broker may still accept some.
                        in_flight.clear();
                    }
                    if self.queue_missing.is_some_and(|since| since.elapsed() >= DELETION_TIME) {
                        self.queue_missing = None;
                        if let Err(fault) = self.topology.declare(self.connection).await {
                            return lost(fault);
                        }
                    }
                    if !in_flight.is_empty() && self.closing.is_none() && self.is_stalled() {
                        // All messages in flight fail with the channel, and are published on another.
                        self.closing = Some(Instant::now());
                        let reply = ShortString::try_new("unconfirmed").unwrap_or_default();
                        let _ = timeout(CHANNEL_TIMEOUT, self.channel.close(200, reply)).await;
                    }
                }
            }
        }
    }

    /// Publishes a message under a token, which identifies it if it is returned: ids of messages need not be unique,
    /// and a message of other origin may have none.
    fn publish(&mut self, publish: Publish) -> impl Future<Output = Done> + use<> {
        self.published += 1;
        // At most 20 digits.
        let token = ShortString::try_new(self.published.to_string()).unwrap_or_default();
        send(self.channel.clone(), publish, token)
    }

    /// A frame may confirm many messages. lapin resolves them in no order under a lock. A caller that takes the lock
    /// after the first of them is ready finds all of them ready. This calls a method that takes the lock.
    fn await_whole_frame(&self) {
        let _ = self.channel.wait_for_confirms().now_or_never();
    }

    fn is_stalled(&self) -> bool {
        let limit = if self.has_confirmed { CONFIRM_TIMEOUT } else { FIRST_CONFIRM_TIMEOUT };
        self.progress.elapsed() >= limit
    }

    /// The message, unless it can be answered without the broker.
    fn admit(&self, publish: Publish) -> Option<Publish> {
        if publish.is_abandoned() {
            return None;
        }
        self.refuse_too_large(publish)
    }

    /// The message, unless the broker is known to refuse its size.
    fn refuse_too_large(&self, publish: Publish) -> Option<Publish> {
        let Some(max) = self.max_body.filter(|max| publish.outgoing.body.len() > *max) else {
            return Some(publish);
        };
        publish.reply(Err(Refusal::Rejected(format!("it exceeds the broker's limit of {max} bytes"))));
        None
    }

    /// Answers the callers of a batch.
    fn conclude(&mut self, batch: Vec<Done>, inbox: &mut Inbox) -> Result<(), Fault> {
        for done in &batch {
            if let Ok(Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned))) = &done.result {
                self.queue_missing.get_or_insert_with(Instant::now);
                self.returned.extend(token_of(returned));
            }
        }
        let mut lost = None;
        for Done { publish, token, result } in batch {
            let queue = &publish.outgoing.queue;
            match result {
                Ok(_) if self.returned.remove(&token) => {
                    let reason = format!("queue {queue} does not exist; it will be declared again");
                    publish.reply(Err(Refusal::Unavailable(reason)));
                }
                Ok(Confirmation::Ack(_)) => {
                    self.has_confirmed = true;
                    publish.reply(Ok(()));
                }
                Ok(Confirmation::Nack(_) | Confirmation::NotRequested) => {
                    let reason = format!("queue {queue} is full, or cannot store messages now");
                    publish.reply(Err(Refusal::Full(reason)));
                }
                Err(error) => lost = self.conclude_failed(publish, error, inbox).or(lost),
            }
        }
        lost.map_or(Ok(()), Err)
    }

    /// Answers the caller of a message that failed, or keeps the message for the next channel. Returns a fault when the
    /// connection is lost.
    fn conclude_failed(&mut self, publish: Publish, error: Error, inbox: &mut Inbox) -> Option<Fault> {
        let limit = size_limit(&error);
        self.max_body = limit.or(self.max_body);
        let innocent = limit.is_some() || matches!(error.kind(), ErrorKind::InvalidChannelState(..));
        if is_of_the_channel(&error) && innocent && self.connection.status().connected() {
            self.closing.get_or_insert_with(Instant::now);
            inbox.retries.extend(self.refuse_too_large(publish));
            return None;
        }
        let fault = Fault::from(error);
        publish.reply(Err(Refusal::Unavailable(fault.reason.clone())));
        Some(fault)
    }
}

async fn send(channel: Channel, publish: Publish, token: ShortString) -> Done {
    // Unroutable messages are returned, instead of being confirmed and dropped.
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let outgoing = &publish.outgoing;
    let publishing = channel.basic_publish(
        ShortString::default(),
        outgoing.queue.clone(),
        options,
        &outgoing.body,
        outgoing.properties.clone().with_correlation_id(token.clone()),
    );
    let result = match publishing.await {
        Ok(confirm) => confirm.await,
        Err(error) => Err(error),
    };
    Done { publish, token, result }
}

fn token_of(returned: &BasicReturnMessage) -> Option<ShortString> {
    returned.delivery.properties.correlation_id().clone()
}

/// The limit in "message size 150000000 is larger than configured max size 134217728".
fn size_limit(error: &Error) -> Option<usize> {
    let ErrorKind::ProtocolError(error) = error.kind() else { return None };
    let (_, text) = error.get_message().as_str().split_once("message size ")?;
    text.rsplit_once("max size ")?.1.split_whitespace().next()?.parse().ok()
}
