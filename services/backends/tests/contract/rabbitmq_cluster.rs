//! RabbitMQ 4 in a cluster: `make test-rabbitmq4` runs this. With 3.10 the queue often has no leader again for minutes after a
//! broker came back while another is dead, also for new connections.

use std::{collections::HashSet, time::Duration};

use octet_backends::{
    queue::{Consumer, PublishError, Publisher},
    rabbitmq::{RabbitConsumer, RabbitPublisher, RabbitSettings},
};
use octet_testbed::{Broker, eventually};

use crate::{
    Terms,
    factories::{message, soon},
    rabbitmq::Rabbit,
};

/// Publishes messages with the numbers of a range, each until it is confirmed. Returns their ids.
async fn confirmed(publisher: &RabbitPublisher, numbers: std::ops::Range<u32>) -> HashSet<String> {
    let mut ids = HashSet::new();
    for number in numbers {
        let id = number.to_string();
        let publishing = async || {
            let published = publisher.publish(message(&id)).await;
            assert!(
                published.as_ref().is_ok() || published.as_ref().is_err_and(PublishError::is_retryable),
                "{published:?}"
            );
            published
        };
        eventually(&format!("message {id} is confirmed"), publishing).await;
        ids.insert(id);
    }
    ids
}

#[tokio::test]
#[ignore = "for three brokers of RabbitMQ 4: make test-rabbitmq4"]
async fn a_cluster_loses_no_confirmed_message_and_confirms_none_without_a_majority() {
    let mut first = Broker::start().await;
    let mut second = first.start_member().await;
    let third = first.start_member().await;
    // The queue's leader is on the broker that declares it.
    let rabbit = Rabbit::on(&first.url());
    let on = |broker: &Broker| RabbitSettings {
        confirm_timeout: Duration::from_secs(2),
        ..RabbitSettings::new(broker.url().parse().unwrap(), rabbit.queue())
    };
    let at_first = RabbitPublisher::open(on(&first)).await.unwrap();
    let mut published = confirmed(&at_first, 0..100).await;
    for broker in [&first, &second, &third] {
        broker.save().await;
    }

    let at_second = RabbitPublisher::open(on(&second)).await.unwrap();
    published.extend(confirmed(&at_second, 100..200).await);
    first.kill();
    // Another broker becomes the leader.
    published.extend(confirmed(&at_second, 200..300).await);

    let at_third = RabbitPublisher::open(on(&third)).await.unwrap();
    published.extend(confirmed(&at_third, 300..400).await);
    second.kill();
    let refused = at_third.publish(message("without a majority")).await;
    assert!(refused.as_ref().is_err_and(PublishError::is_retryable), "{refused:?}");
    first.restart().await;
    published.extend(confirmed(&at_third, 400..500).await);

    let settings = RabbitSettings { prefetch: 10, ..on(&third) };
    let consumer =
        RabbitConsumer::open(RabbitSettings { delivery_limit: Terms::default().delivery_limit, ..settings })
            .await;
    let consumer = consumer.unwrap();
    let mut seen = HashSet::new();
    soon(async {
        while !seen.is_superset(&published) {
            let delivery = consumer.next().await.unwrap();
            seen.insert(delivery.message().id.clone());
            delivery.ack().await.unwrap();
        }
    })
    .await;
}
