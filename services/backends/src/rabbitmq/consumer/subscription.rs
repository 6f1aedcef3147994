//! What one connection brings: from the subscription to its end.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use lapin::{
    Channel, Consumer, Error,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};
use tokio::time::{sleep, timeout};

use super::{settlement::give_back, shelf::Shelf};
use crate::rabbitmq::{dialer::Line, fault::Fault, topology::DELETION_TIME};

/// How long the broker has to begin sending, or to stop.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Fills a shelf from a queue, over one connection after another.
pub(in crate::rabbitmq) struct Subscription {
    pub(super) queue: ShortString,
    pub(super) prefetch: u16,
    pub(super) shelf: Arc<Shelf>,
}

impl Subscription {
    /// Fills the shelf until the connection or the queue is lost; it is empty then. Once the shelf is closed,
    /// only keeps the channel open, for deliveries that are being dealt with.
    pub(in crate::rabbitmq) async fn consume(&mut self, line: &Line) -> Fault {
        let fault = self.fill(line).await;
        self.shelf.clear();
        fault
    }

    async fn fill(&self, line: &Line) -> Fault {
        if self.shelf.is_closed() {
            self.shelf.cancelled();
            return std::future::pending().await;
        }
        let (channel, mut deliveries) = match timeout(SUBSCRIBE_TIMEOUT, self.subscribe(line)).await {
            Ok(Ok(subscribed)) => subscribed,
            Ok(Err(error)) => return Fault::from(&error),
            Err(_) => return Fault::passing("the broker did not answer the subscription in time"),
        };
        loop {
            tokio::select! {
                delivery = deliveries.next() => match delivery {
                    Some(Ok(delivery)) => {
                        // Nobody asks for it any more. What fails to go back is on its way back already.
                        if let Err(delivery) = self.shelf.put(delivery) {
                            let _ = give_back(&delivery.acker).await;
                        }
                    }
                    Some(Err(error)) => return Fault::from(&error),
                    None => {
                        sleep(DELETION_TIME).await;
                        return Fault::passing("the broker ended the subscription: the queue is gone");
                    }
                },
                () = self.shelf.closing() => break,
            }
        }
        self.unsubscribe(&channel, deliveries).await
    }

    /// Stops the broker from sending, gives back what it had sent by then, and keeps the channel open.
    async fn unsubscribe(&self, channel: &Channel, mut deliveries: Consumer) -> Fault {
        let cancelling = channel.basic_cancel(deliveries.tag(), BasicCancelOptions::default());
        match timeout(SUBSCRIBE_TIMEOUT, cancelling).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Fault::from(&error),
            Err(_) => return Fault::passing("the broker did not end the subscription in time"),
        }
        while let Some(delivery) = deliveries.next().await {
            match delivery {
                Ok(delivery) => {
                    let _ = give_back(&delivery.acker).await;
                }
                Err(error) => return Fault::from(&error),
            }
        }
        self.shelf.cancelled();
        std::future::pending().await
    }

    async fn subscribe(&self, line: &Line) -> Result<(Channel, Consumer), Error> {
        let channel = line.connection.create_channel().await?;
        // For this consumer alone: quorum queues know no limit for a whole channel.
        channel.basic_qos(self.prefetch, BasicQosOptions { global: false }).await?;
        let options = BasicConsumeOptions::default();
        let deliveries = channel
            .basic_consume(self.queue.clone(), ShortString::default(), options, FieldTable::default())
            .await?;
        Ok((channel, deliveries))
    }
}
