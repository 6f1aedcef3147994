//! The task that keeps one connection: connects, works, notices the loss, connects again.

use std::{sync::Arc, time::Instant};

use tokio::time::sleep;

use super::{
    consumer::Subscription,
    courier::{Courier, Outbox},
    dialer::{Dialer, Line},
    fault::Fault,
    link::Link,
    pauses::Pauses,
    settings::{Names, RabbitSettings},
    topology::Topology,
};
use crate::open::OpenError;

/// How a connection's work ended.
pub(super) enum Ended {
    /// Nobody holds the publisher, the consumer or a delivery of it any more.
    Finished,
    /// The connection or the queue is lost.
    Lost(Fault),
}

pub(super) struct Supervisor {
    dialer: Dialer,
    topology: Topology,
    link: Arc<Link>,
    courier: Courier,
    /// A publisher has none.
    subscription: Option<Subscription>,
}

impl Supervisor {
    /// Starts keeping a connection in the background, and answers with what its publisher or consumer holds of it.
    /// `role` is for the broker's operator.
    ///
    /// # Errors
    /// See [`OpenError`]. A broker that is away or refuses us is none.
    pub(super) async fn start(
        settings: &RabbitSettings,
        names: Names,
        role: &str,
        subscription: Option<Subscription>,
    ) -> Result<(Outbox, Arc<Link>), OpenError> {
        let name = format!("octet {role} of {}", settings.queue);
        let link = Arc::new(Link::new(name.clone(), settings.address.clone()));
        let (outbox, courier) = Outbox::new(Arc::clone(&link), settings.confirm_timeout);
        let supervisor = Self {
            dialer: Dialer::new(settings, name).await?,
            topology: Topology { names, delivery_limit: settings.delivery_limit },
            link: Arc::clone(&link),
            courier,
            subscription,
        };
        tokio::spawn(supervisor.run());
        Ok((outbox, link))
    }

    /// Keeps the connection until nobody needs it.
    async fn run(mut self) {
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
