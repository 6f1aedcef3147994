//! A consumer's subscription: over one connection after another, messages go to the prefetched ones.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use lapin::{
    Channel, Consumer, Error,
    message::Delivery,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};
use tokio::{sync::watch, time::sleep};

use super::{
    dialer::Connection,
    fault::{Fault, within},
    settlement::give_back,
    topology::DELETION_TIME,
};
use crate::prefetched::Prefetched;

/// How long the broker has to start sending, or to stop.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Fills `prefetched` from a queue until it is closed.
pub(super) struct Subscription {
    pub(super) queue: ShortString,
    pub(super) prefetch: u16,
    pub(super) prefetched: Arc<Prefetched<Delivery>>,
    /// Becomes true once the broker sends no more and has been given back what it had sent.
    pub(super) cancelled: watch::Sender<bool>,
}

impl Subscription {
    /// Works until the connection or the queue is lost; nothing of it is prefetched then. After `prefetched` is
    /// closed, this only keeps the channel open for deliveries that callers hold.
    pub(super) async fn consume(&mut self, connection: &Connection) -> Fault {
        match self.fill(connection).await {
            Ok(_channel) => {
                self.cancelled.send_replace(true);
                std::future::pending().await
            }
            Err(fault) => {
                self.prefetched.remove(|_| true);
                fault
            }
        }
    }

    /// Returns once `prefetched` is closed and the broker sends no more, with the channel of the deliveries.
    async fn fill(&self, connection: &Connection) -> Result<Option<Channel>, Fault> {
        if self.prefetched.is_closed() {
            return Ok(None);
        }
        let subscribing = self.subscribe(connection);
        let (channel, mut deliveries) =
            within(SUBSCRIBE_TIMEOUT, "answer the subscription", subscribing).await?;
        loop {
            tokio::select! {
                delivery = deliveries.next() => {
                    let Some(delivery) = delivery else {
                        sleep(DELETION_TIME).await;
                        return Err(Fault::transient("the broker ended the subscription: the queue is gone"));
                    };
                    if let Err(delivery) = self.prefetched.put(delivery?) {
                        // A message that cannot be given back comes back by the loss of the connection.
                        let _ = give_back(&delivery.acker).await;
                    }
                }
                () = self.prefetched.closed() => break,
            }
        }
        let cancelling = channel.basic_cancel(deliveries.tag(), BasicCancelOptions::default());
        within(SUBSCRIBE_TIMEOUT, "end the subscription", cancelling).await?;
        while let Some(delivery) = deliveries.next().await {
            let _ = give_back(&delivery?.acker).await;
        }
        Ok(Some(channel))
    }

    async fn subscribe(&self, connection: &Connection) -> Result<(Channel, Consumer), Error> {
        let channel = connection.create_channel().await?;
        // Per consumer: quorum queues have no limit per channel.
        channel.basic_qos(self.prefetch, BasicQosOptions { global: false }).await?;
        let options = BasicConsumeOptions::default();
        let deliveries = channel
            .basic_consume(self.queue.clone(), ShortString::default(), options, FieldTable::default())
            .await?;
        Ok((channel, deliveries))
    }
}
