//! Brokers that are unavailable, die, freeze and come back.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use octet_backends::{
    inspect::{InspectError, QueueInspect},
    queue::{Consumer, Message, PublishError, Publisher, SettleError},
    rabbitmq::{RabbitConsumer, RabbitPublisher, RabbitQueueInspect, RabbitSettings},
};
use octet_testbed::{Broker, eventually};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    Terms,
    factories::{message, next, soon, unique},
    rabbitmq::Rabbit,
};

/// From the broker's return to the first call that succeeds, on a busy machine: attempts are at most 1 s apart.
const RECOVERY: Duration = Duration::from_secs(20);

async fn works_within(limit: Duration, publisher: &RabbitPublisher, message: &Message) {
    let publishing = eventually("a publish succeeds", async || publisher.publish(message.clone()).await);
    timeout(limit, publishing).await.expect("publishing works within the limit");
}

#[tokio::test]
async fn a_broker_may_start_late_and_die_under_load() {
    let mut broker = Broker::start().await;
    let rabbit = Rabbit::on(&broker.url());
    let settings = rabbit.settings(Terms { prefetch: 100, ..Terms::default() });
    broker.kill();

    // Opening does not wait, calls fail at once, and the reason contains no password.
    let opened = Instant::now();
    let publisher = Arc::new(RabbitPublisher::open(settings.clone()).await.unwrap());
    let consumer = Arc::new(RabbitConsumer::open(settings.clone()).await.unwrap());
    assert!(opened.elapsed() < settings.connect_timeout);
    let refusal = publisher.publish(message("early")).await.unwrap_err();
    assert_eq!(refusal, PublishError::Unavailable("the connection was refused".to_owned()));
    assert!(publisher.ping().await.is_err() && consumer.ping().await.is_err());
    let asked = Instant::now();
    let inspected = RabbitQueueInspect::open(&settings).await.unwrap().depth().await;
    assert!(
        matches!(inspected, Err(InspectError::Unavailable(_))) && asked.elapsed() < RECOVERY,
        "{inspected:?}"
    );

    broker.restart().await;
    works_within(RECOVERY, &publisher, &message("first")).await;
    let waiting: Arc<dyn Consumer> = Arc::clone(&consumer) as Arc<dyn Consumer>;
    let first = next(&waiting).await;
    assert_eq!(first.message().id, "first");

    broker.save().await;

    // kill -9 while 25 tasks publish.
    let confirmed = Arc::new(Mutex::new(HashSet::from(["first".to_owned()])));
    let slowest_failure = Arc::new(AtomicU64::new(0));
    let mut callers = JoinSet::new();
    for caller in 0..25 {
        let (publisher, confirmed) = (Arc::clone(&publisher), Arc::clone(&confirmed));
        let slowest_failure = Arc::clone(&slowest_failure);
        callers.spawn(async move {
            for number in 0..200 {
                let id = format!("{caller}-{number}");
                loop {
                    let began = Instant::now();
                    match publisher.publish(message(&id)).await {
                        Ok(()) => break,
                        Err(error) => assert!(error.is_retryable(), "{error}"),
                    }
                    slowest_failure
                        .fetch_max(began.elapsed().as_micros().try_into().unwrap(), Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                confirmed.lock().unwrap().insert(id);
            }
        });
    }
    eventually("1,000 confirms", async || confirmed.lock().unwrap().len() > 1_000).await;
    broker.kill();
    eventually("the loss is noticed", async || publisher.ping().await.is_err()).await;
    assert!(confirmed.lock().unwrap().len() < 5_000, "the broker should have died in their midst");
    broker.restart().await;
    let finishing = async { while callers.join_next().await.transpose().unwrap().is_some() {} };
    let finished = timeout(4 * RECOVERY, finishing).await;
    assert!(finished.is_ok(), "the callers should be done by now: {:?}", publisher.ping().await);
    let slowest = Duration::from_micros(slowest_failure.load(Ordering::Relaxed));
    assert!(slowest < settings.confirm_timeout, "a call should fail at once, and took {slowest:?}");

    // The delivery that was held when the broker died is lost, and no confirmed message is.
    assert_eq!(first.ack().await, Err(SettleError::LeaseLost));
    let confirmed = confirmed.lock().unwrap().clone();
    let mut seen = HashSet::new();
    soon(async {
        while !seen.is_superset(&confirmed) {
            let delivery = consumer.next().await.unwrap();
            seen.insert(delivery.message().id.clone());
            delivery.ack().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_frozen_broker_is_noticed_and_found_again() {
    let broker = Broker::start().await;
    let rabbit = Rabbit::on(&broker.url());
    let confirm_timeout = Duration::from_secs(10);
    let settings = RabbitSettings {
        heartbeat: Duration::from_secs(1),
        confirm_timeout,
        ..rabbit.settings(Terms::default())
    };
    let publisher = Arc::new(RabbitPublisher::open(settings.clone()).await.unwrap());
    let consumer: Arc<dyn Consumer> = Arc::new(RabbitConsumer::open(settings).await.unwrap());
    works_within(RECOVERY, &publisher, &message("a")).await;
    let held = next(&consumer).await;

    broker.freeze();
    let frozen = Instant::now();
    // The message in flight fails with the connection, a little after two heartbeats.
    assert!(publisher.publish(message("b")).await.unwrap_err().is_retryable());
    assert!(frozen.elapsed() < confirm_timeout, "{:?}", frozen.elapsed());
    eventually("the loss is noticed", async || {
        publisher.ping().await.is_err() && consumer.ping().await.is_err()
    })
    .await;
    // Calls fail without waiting for a confirm, also while the next connection is attempted.
    let refused = Instant::now();
    for _ in 0..20 {
        assert!(publisher.publish(message("b")).await.is_err());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(refused.elapsed() < 3 * confirm_timeout, "{:?}", refused.elapsed());
    assert_eq!(held.dead_letter("too late").await, Err(SettleError::LeaseLost));

    broker.thaw();
    works_within(2 * RECOVERY, &publisher, &message("c")).await;
    let mut ids = HashSet::new();
    while !ids.contains("c") || !ids.contains("a") {
        let delivery = next(&consumer).await;
        ids.insert(delivery.message().id.clone());
        delivery.ack().await.unwrap();
    }
}

#[tokio::test]
async fn an_alarm_fails_publishes_in_flight_and_is_reported_until_it_ends() {
    let broker = Broker::start().await;
    let rabbit = Rabbit::on(&broker.url());
    let confirm_timeout = Duration::from_mins(1);
    let settings = RabbitSettings { confirm_timeout, ..rabbit.settings(Terms::default()) };
    let publisher = Arc::new(RabbitPublisher::open(settings.clone()).await.unwrap());
    let consumer: Arc<dyn Consumer> = Arc::new(RabbitConsumer::open(settings).await.unwrap());
    let memory = "set_vm_memory_high_watermark";
    for (start, end) in [
        ([memory, "0.000001"], [memory, "0.9"]),
        (["set_disk_free_limit", "100000GB"], ["set_disk_free_limit", "1MB"]),
    ] {
        works_within(RECOVERY, &publisher, &message("before")).await;
        let mut callers = JoinSet::new();
        for _ in 0..10 {
            let publisher = Arc::clone(&publisher);
            callers.spawn(async move {
                loop {
                    let started = Instant::now();
                    if let Err(error) = publisher.publish(message(&unique())).await {
                        return (error, started.elapsed());
                    }
                }
            });
        }
        broker.ctl(&start).await;
        for (error, elapsed) in soon(callers.join_all()).await {
            assert!(error.is_retryable() && error.to_string().contains("short of memory or disk"), "{error}");
            assert!(elapsed < confirm_timeout / 2, "{elapsed:?}");
        }
        let reported = publisher.ping().await.unwrap_err().to_string();
        assert!(reported.contains("short of memory or disk"), "{reported}");
        // Consuming continues: the broker blocks only connections that publish.
        assert_eq!(consumer.ping().await, Ok(()));
        next(&consumer).await.ack().await.unwrap();

        broker.ctl(&end).await;
        eventually("the publisher works", async || publisher.ping().await).await;
    }
    works_within(RECOVERY, &publisher, &message("after")).await;
}

#[tokio::test]
async fn an_idle_publisher_reports_an_alarm_before_its_first_message() {
    let broker = Broker::start().await;
    let rabbit = Rabbit::on(&broker.url());
    let open = async || RabbitPublisher::open(rabbit.settings(Terms::default())).await.unwrap();
    let before = open().await;
    eventually("the publisher is connected", async || before.ping().await).await;
    broker.ctl(&["set_vm_memory_high_watermark", "0.000001"]).await;
    // One that is connected already, and one that connects during the alarm.
    let during = open().await;
    for publisher in [&before, &during] {
        eventually("the alarm is reported", async || match publisher.ping().await {
            Err(error) if error.to_string().contains("short of memory or disk") => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }
    broker.ctl(&["set_vm_memory_high_watermark", "0.9"]).await;
    for publisher in [&before, &during] {
        eventually("the publisher works", async || publisher.ping().await).await;
        works_within(RECOVERY, publisher, &message("after")).await;
    }
}

#[tokio::test]
async fn a_handle_that_is_dropped_while_the_broker_is_unavailable_leaves_no_task() {
    // Nobody listens on port 1.
    let settings = RabbitSettings::new("amqp://127.0.0.1:1".parse().unwrap(), &unique());
    let publisher = RabbitPublisher::open(settings.clone()).await.unwrap();
    let consumer = RabbitConsumer::open(settings).await.unwrap();
    eventually("the connection is refused", async || {
        publisher.ping().await.unwrap_err().to_string().contains("refused")
    })
    .await;
    consumer.close().await.unwrap();
    drop((publisher, consumer));
    let metrics = tokio::runtime::Handle::current().metrics();
    eventually("no task is left", async || metrics.num_alive_tasks() == 0).await;
}
