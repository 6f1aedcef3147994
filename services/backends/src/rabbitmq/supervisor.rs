//! The task that keeps one connection: connects, works, notices the loss, connects again.

use std::{sync::Arc, time::Instant};

use tokio::time::sleep;

use super::{
    consumer::Subscription,
    courier::Courier,
    dialer::{Dialer, Line},
    fault::Fault,
    link::Link,
    pauses::Pauses,
    topology::Topology,
};

/// How a connection's work ended.
pub(super) enum Ended {
    /// Nobody holds the publisher, the consumer or a delivery of it any more.
    Finished,
    /// The connection or the queue is lost.
    Lost(Fault),
}

pub(super) struct Supervisor {
    pub(super) dialer: Dialer,
    pub(super) topology: Topology,
    pub(super) link: Arc<Link>,
    pub(super) courier: Courier,
    /// A publisher has none.
    pub(super) subscription: Option<Subscription>,
}

impl Supervisor {
    /// Keeps the connection until nobody needs it.
    pub(super) async fn run(mut self) {
        let mut pauses = Pauses::default();
        while !self.courier.is_finished() {
            let (fault, connected) = match self.connect().await {
                None => return,
                Some(Err(fault)) => (fault, None),
                Some(Ok(line)) => {
                    let connected = Instant::now();
                    self.link.up();
                    match self.work(&line).await {
                        Ended::Finished => return line.close().await,
                        Ended::Lost(fault) => (fault, Some(connected)),
                    }
                }
            };
            self.link.down(&fault);
            let pause = pauses.after(fault.cure, connected);
            if self.courier.refuse_during(sleep(pause), &fault.reason).await.is_none() {
                return;
            }
        }
    }

    /// A connection with both queues declared. Nothing when nobody needs it any more.
    async fn connect(&mut self) -> Option<Result<Line, Fault>> {
        let connecting = async {
            let line = self.dialer.dial().await?;
            self.topology.declare(&line).await?;
            Ok(line)
        };
        match self.link.lost() {
            None => Some(connecting.await),
            Some(reason) => self.courier.refuse_during(connecting, &reason).await,
        }
    }

    async fn work(&mut self, line: &Line) -> Ended {
        let delivering = self.courier.deliver(line, &self.topology);
        match &mut self.subscription {
            None => delivering.await,
            Some(subscription) => tokio::select! {
                ended = delivering => ended,
                fault = subscription.consume(line) => Ended::Lost(fault),
            },
        }
    }
}
