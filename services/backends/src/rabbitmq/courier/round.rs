//! What happens on one channel, from its opening to its end.

use std::{
    collections::HashSet,
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

use super::{Courier, outbox::Job};
use crate::{
    queue::PublishError,
    rabbitmq::{
        dialer::Line,
        fault::{Fault, is_of_the_channel},
        topology::{DELETION_TIME, Topology},
    },
};

/// More are not under way at once; the next wait in the outbox.
const MOST_UNDER_WAY: usize = 1_024;

/// How long the broker has to open a channel, or a closed one to tell everybody.
const CHANNEL_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the connection is looked at, should its end make no noise.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long a new channel may leave everything unconfirmed. To a quorum queue that has no leader yet, as after a
/// node's start, the broker repeats a channel's messages only after 10 s; on another channel they arrive at once.
const FIRST_CONFIRM_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a channel that has worked may.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);

/// A channel in confirm mode, and what is under way on it.
pub(super) struct Round<'a> {
    line: &'a Line,
    topology: &'a Topology,
    channel: Channel,
    /// How many publishes this channel has seen.
    published: u64,
    /// Tokens of publishes that came back and whose confirm has not been seen yet.
    returned: HashSet<ShortString>,
    closing: Option<Instant>,
    /// When something was last confirmed while more was under way, or the first of it was sent.
    moved: Instant,
    confirmed_any: bool,
    /// When a message first came back for want of its queue, which has not been declared again yet.
    homeless: Option<Instant>,
}

pub(super) enum RoundEnded {
    /// The broker closed the channel for one message's fault; the others go on another.
    ChannelClosed,
    Lost(Fault),
    Finished,
}

/// How a publish came out.
struct Done {
    job: Job,
    token: ShortString,
    result: Result<Confirmation, Error>,
}

impl<'a> Round<'a> {
    pub(super) async fn open(line: &'a Line, topology: &'a Topology) -> Result<Self, Fault> {
        let opening = async {
            let channel = line.connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok(channel)
        };
        let channel = timeout(CHANNEL_TIMEOUT, opening)
            .await
            .map_err(|_| Fault::passing("the broker did not open a channel in time"))?
            .map_err(|error: Error| Fault::from(&error))?;
        Ok(Self {
            line,
            topology,
            channel,
            published: 0,
            returned: HashSet::new(),
            closing: None,
            moved: Instant::now(),
            confirmed_any: false,
            homeless: None,
        })
    }

    pub(super) async fn run(mut self, courier: &mut Courier) -> RoundEnded {
        let mut under_way = FuturesUnordered::new();
        for job in courier.again.drain(..).filter(|job| !job.is_abandoned()) {
            under_way.push(self.publish(job));
        }
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut brought_all = false;
        loop {
            match self.closing {
                Some(_) if under_way.is_empty() => return RoundEnded::ChannelClosed,
                None if brought_all && under_way.is_empty() => return RoundEnded::Finished,
                _ => {}
            }
            let may_take = self.closing.is_none() && !brought_all && under_way.len() < MOST_UNDER_WAY;
            tokio::select! {
                Some(done) = under_way.next() => {
                    // lapin gives a returned message to whichever confirm it handles next, its own or another. Nothing
                    // is believed before everything that is ready by then has been looked at.
                    let mut batch = vec![done];
                    self.await_whole_frame();
                    while let Some(Some(done)) = under_way.next().now_or_never() {
                        batch.push(done);
                    }
                    self.moved = Instant::now();
                    if let Err(fault) = self.conclude(batch, courier) {
                        return RoundEnded::Lost(fault);
                    }
                }
                job = courier.jobs.recv(), if may_take => match job {
                    None => brought_all = true,
                    Some(job) => if let Some(job) = self.admit(job, courier.largest) {
                        if under_way.is_empty() {
                            self.moved = Instant::now();
                        }
                        under_way.push(self.publish(job));
                    },
                },
                _ = look.tick() => {
                    let stuck = self.closing.is_some_and(|since| since.elapsed() > CHANNEL_TIMEOUT);
                    if stuck || !self.line.connection.status().connected() {
                        return RoundEnded::Lost(Fault::passing("the connection was lost"));
                    }
                    if self.homeless.is_some_and(|since| since.elapsed() >= DELETION_TIME) {
                        self.homeless = None;
                        if let Err(fault) = self.topology.declare(self.line).await {
                            return RoundEnded::Lost(fault);
                        }
                    }
                    if !under_way.is_empty() && self.closing.is_none() && self.is_stalled() {
                        // Whatever is under way fails with the channel, and goes on another.
                        self.closing = Some(Instant::now());
                        let reply = ShortString::try_new("unconfirmed").unwrap_or_default();
                        let _ = timeout(CHANNEL_TIMEOUT, self.channel.close(200, reply)).await;
                    }
                }
            }
        }
    }

    /// Publishes a letter under a token of its own, by which it is known should it come back: a message's id does not
    /// tell one from another, and a message of other origin may have none.
    fn publish(&mut self, job: Job) -> impl Future<Output = Done> + use<> {
        self.published += 1;
        // No more than 20 digits.
        let token = ShortString::try_new(self.published.to_string()).unwrap_or_default();
        publish(self.channel.clone(), job, token)
    }

    /// A frame may confirm many messages. lapin resolves those one after another, in no order, under a lock: whoever
    /// had the lock after the first of them finds all of them ready. This asks for something that takes the lock.
    fn await_whole_frame(&self) {
        let _ = self.channel.wait_for_confirms().now_or_never();
    }

    fn is_stalled(&self) -> bool {
        let patience = if self.confirmed_any { CONFIRM_TIMEOUT } else { FIRST_CONFIRM_TIMEOUT };
        self.moved.elapsed() >= patience && !self.line.connection.status().blocked()
    }

    /// The job, unless it can be answered without the broker.
    fn admit(&self, job: Job, largest: Option<usize>) -> Option<Job> {
        if job.is_abandoned() {
            return None;
        }
        if largest.is_some_and(|largest| job.letter.body.len() > largest) {
            job.answer(Err(too_large(largest)));
            return None;
        }
        if self.line.connection.status().blocked() {
            let reason = "the broker takes no messages now: it is short of memory or disk space";
            job.answer(Err(PublishError::Unavailable(reason.to_owned())));
            return None;
        }
        Some(job)
    }

    /// Answers for what is done.
    fn conclude(&mut self, batch: Vec<Done>, courier: &mut Courier) -> Result<(), Fault> {
        for done in &batch {
            if let Ok(Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned))) = &done.result {
                self.homeless.get_or_insert_with(Instant::now);
                self.returned.extend(token_of(returned));
            }
        }
        let mut lost = None;
        for Done { job, token, result } in batch {
            match result {
                Ok(_) if self.returned.remove(&token) => {
                    let reason = format!("queue {} is gone; it will be declared again", job.letter.to);
                    job.answer(Err(PublishError::Unavailable(reason)));
                }
                Ok(Confirmation::Ack(_)) => {
                    self.confirmed_any = true;
                    job.answer(Ok(()));
                }
                Ok(Confirmation::Nack(_) | Confirmation::NotRequested) => {
                    let reason = format!("queue {} is full, or cannot store messages now", job.letter.to);
                    job.answer(Err(PublishError::Unavailable(reason)));
                }
                Err(error) => lost = self.conclude_failed(job, &error, courier).or(lost),
            }
        }
        lost.map_or(Ok(()), Err)
    }

    /// Answers for a job that failed, or puts it aside for the next channel. A fault when all is lost.
    fn conclude_failed(&mut self, job: Job, error: &Error, courier: &mut Courier) -> Option<Fault> {
        let fault = Fault::from(error);
        if let Some(largest) = size_limit(error) {
            courier.largest = Some(largest);
        }
        let innocent =
            size_limit(error).is_some() || matches!(error.kind(), ErrorKind::InvalidChannelState(..));
        if is_of_the_channel(error) && innocent && self.line.connection.status().connected() {
            self.closing.get_or_insert_with(Instant::now);
            if courier.largest.is_some_and(|largest| job.letter.body.len() > largest) {
                job.answer(Err(too_large(courier.largest)));
            } else {
                courier.again.push(job);
            }
            return None;
        }
        job.answer(Err(PublishError::Unavailable(fault.reason.clone())));
        Some(fault)
    }
}

async fn publish(channel: Channel, job: Job, token: ShortString) -> Done {
    // Unroutable messages come back, instead of being confirmed and forgotten.
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let letter = &job.letter;
    let publishing = channel.basic_publish(
        ShortString::default(),
        letter.to.clone(),
        options,
        &letter.body,
        letter.properties.clone().with_correlation_id(token.clone()),
    );
    let result = match publishing.await {
        Ok(confirm) => confirm.await,
        Err(error) => Err(error),
    };
    Done { job, token, result }
}

fn token_of(returned: &BasicReturnMessage) -> Option<ShortString> {
    returned.delivery.properties.correlation_id().clone()
}

fn too_large(largest: Option<usize>) -> PublishError {
    let largest = largest.unwrap_or_default();
    PublishError::Rejected(format!("it is larger than the broker's limit of {largest} bytes"))
}

/// The limit in "message size 150000000 is larger than configured max size 134217728".
fn size_limit(error: &Error) -> Option<usize> {
    let ErrorKind::ProtocolError(error) = error.kind() else { return None };
    let (_, words) = error.get_message().as_str().split_once("message size ")?;
    words.rsplit_once("max size ")?.1.split_whitespace().next()?.parse().ok()
}
