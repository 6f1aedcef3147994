//! The RabbitMQ factory, and its adapter's contract tests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use lapin::{
    Connection, ConnectionProperties,
    options::{BasicGetOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use octet_backends::{
    inspect::QueueInspect,
    queue::{Consumer, Message, Publisher},
    rabbitmq::{RabbitConsumer, RabbitPublisher, RabbitQueueInspect, RabbitSettings},
};

use octet_testbed::eventually;

use crate::{Queues, Sight, Terms, WholeLetter, child::Child, factories::unique};

/// A queue for one test, which is deleted at the end.
pub(crate) struct Rabbit {
    url: String,
    queue: String,
    /// The limit with which the queue was declared.
    delivery_limit: AtomicU32,
}

impl Rabbit {
    /// On the broker that the tests of this process share.
    pub(crate) async fn new() -> Self {
        Self::on(&octet_testbed::shared_broker().await)
    }

    pub(crate) fn on(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            queue: format!("octet-test-{}", unique()),
            delivery_limit: AtomicU32::new(20),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn queue(&self) -> &str {
        &self.queue
    }

    pub(crate) fn dead_letter_queue(&self) -> String {
        format!("{}.dlq", self.queue)
    }

    pub(crate) fn settings(&self, terms: Terms) -> RabbitSettings {
        RabbitSettings {
            prefetch: u16::try_from(terms.prefetch).unwrap(),
            delivery_limit: terms.delivery_limit,
            confirm_timeout: Duration::from_secs(5),
            ..RabbitSettings::new(self.url.parse().unwrap(), &self.queue)
        }
    }

    fn made_on(&self, terms: Terms) -> RabbitSettings {
        self.delivery_limit.store(terms.delivery_limit, Ordering::Relaxed);
        self.settings(terms)
    }

    async fn inspector(&self) -> RabbitQueueInspect {
        let delivery_limit = self.delivery_limit.load(Ordering::Relaxed);
        let settings = self.settings(Terms { delivery_limit, ..Terms::default() });
        RabbitQueueInspect::open(&settings).await.expect("a right address")
    }

    /// An ordinary client of the broker.
    pub(crate) async fn client(&self) -> Connection {
        Connection::connect(&self.url, ConnectionProperties::default()).await.unwrap()
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        let (url, queue) = (self.url.clone(), self.queue.clone());
        // In another runtime, because the test's own is busy dropping this.
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                // The test may have killed the broker.
                let Ok(client) = Connection::connect(&url, ConnectionProperties::default()).await else {
                    return;
                };
                let Ok(channel) = client.create_channel().await else { return };
                for queue in [format!("{queue}.dlq"), queue] {
                    let _ = channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await;
                }
                let _ = client.close(200, "OK".into()).await;
            });
        });
        let _ = deleting.join();
    }
}

#[async_trait(?Send)]
impl Queues for Rabbit {
    async fn publisher(&self) -> Arc<dyn Publisher> {
        self.publisher_on(Terms::default()).await
    }

    async fn publisher_on(&self, terms: Terms) -> Arc<dyn Publisher> {
        let publisher = RabbitPublisher::open(self.made_on(terms)).await.unwrap();
        eventually("the publisher works", async || publisher.ping().await).await;
        Arc::new(publisher)
    }

    async fn consumer(&self, terms: Terms) -> Arc<dyn Consumer> {
        let consumer = RabbitConsumer::open(self.made_on(terms)).await.unwrap();
        eventually("the consumer works", async || consumer.ping().await).await;
        Arc::new(consumer)
    }

    async fn inspect(&self) -> Box<dyn QueueInspect> {
        Box::new(self.inspector().await)
    }

    async fn dead_letters(&self) -> Vec<WholeLetter> {
        let inspected = self.inspector().await.dead_letters(1_000).await.unwrap();
        let client = self.client().await;
        let channel = client.create_channel().await.unwrap();
        let mut letters = Vec::new();
        let queue = self.dead_letter_queue();
        // Closing the connection gives all of them back.
        while let Some(letter) =
            channel.basic_get(queue.as_str().into(), BasicGetOptions::default()).await.unwrap()
        {
            let properties = &letter.delivery.properties;
            let headers = properties.headers().iter().flat_map(FieldTable::inner);
            let headers = headers.filter_map(|(name, value)| match value {
                AMQPValue::LongString(text)
                    if !name.as_str().starts_with("x-") && name.as_str() != "octet-reason" =>
                {
                    Some((name.to_string(), text.to_string()))
                }
                _ => None,
            });
            let id = properties.message_id().as_ref().unwrap().to_string();
            let reason = inspected.iter().find(|letter| letter.id == id).map(|letter| letter.reason.clone());
            let message = Message { id, headers: headers.collect(), body: letter.delivery.data.clone() };
            letters.push(WholeLetter { message, reason: reason.unwrap_or_default() });
        }
        client.close(200, "OK".into()).await.unwrap();
        letters
    }

    async fn taken_by_a_process(&self) -> Child {
        let mut child = Child::start("take from RabbitMQ", &format!("{} {}", self.queue, self.url));
        child.says().await.expect("the child took a message");
        child
    }

    fn sight(&self) -> Sight {
        Sight::ReadyAndDead
    }

    /// True before RabbitMQ 4.3; the test broker is a 3.x.
    fn counts_given_back(&self) -> bool {
        true
    }
}

crate::queue::queue_contract!(Rabbit::new().await);
