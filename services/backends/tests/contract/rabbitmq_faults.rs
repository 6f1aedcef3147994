//! Queues that are deleted, full or of another kind; brokers that refuse us; messages of other origin.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use lapin::{
    BasicProperties, Channel,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
        QueuePurgeOptions,
    },
    types::{AMQPValue, FieldTable},
};
use octet_backends::{
    OpenError,
    inspect::{InspectError, QueueInspect},
    queue::{Message, PublishError, Publisher},
    rabbitmq::{RabbitConsumer, RabbitPublisher, RabbitQueueInspect, RabbitSettings},
};
use octet_testbed::{Authority, Broker, PASSWORD, eventually, shared_broker};
use tokio::task::JoinSet;

use crate::{
    Queues, Terms,
    factories::{message, next, soon},
    rabbitmq::Rabbit,
};

async fn channel(rabbit: &Rabbit) -> (lapin::Connection, Channel) {
    let client = rabbit.client().await;
    let channel = client.create_channel().await.unwrap();
    (client, channel)
}

/// Why `publisher` is unavailable, once the reason contains `words`.
async fn until_unavailable(publisher: &RabbitPublisher, words: &str) -> String {
    let reason = eventually(&format!("a ping fails with {words:?}"), async || {
        let error = publisher.ping().await.err()?.to_string();
        error.contains(words).then_some(error)
    })
    .await;
    assert!(!reason.contains('\n') && !reason.contains(PASSWORD), "{reason}");
    reason
}

#[tokio::test]
async fn a_deleted_queue_comes_back_under_its_publisher_and_its_consumer() {
    let rabbit = Rabbit::new().await;
    let (publisher, consumer) = (rabbit.publisher().await, rabbit.consumer(Terms::default()).await);
    publisher.publish(message("a")).await.unwrap();
    next(&consumer).await.ack().await.unwrap();

    let (_client, channel) = channel(&rabbit).await;
    channel.queue_delete(rabbit.queue().into(), QueueDeleteOptions::default()).await.unwrap();
    // Either unavailable, or confirmed because the consumer has declared the queue by then; never confirmed and lost.
    eventually("a publish succeeds", async || publisher.publish(message("b")).await).await;
    assert_eq!(next(&consumer).await.message(), &message("b"));
}

#[tokio::test]
async fn a_message_without_a_queue_is_not_confirmed() {
    let rabbit = Rabbit::new().await;
    let publisher = rabbit.publisher().await;
    let (_client, channel) = channel(&rabbit).await;
    for _ in 0..3 {
        channel.queue_delete(rabbit.queue().into(), QueueDeleteOptions::default()).await.unwrap();
        // Many at once, so that one frame confirms several.
        let ids: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        let publishing = ids.iter().map(|id| publisher.publish(message(id)));
        let results = futures_util::future::join_all(publishing).await;
        let unavailable =
            |result: &Result<(), PublishError>| result.as_ref().is_err_and(PublishError::is_retryable);
        assert!(results.iter().all(unavailable), "{results:?}");
        eventually("a publish succeeds", async || publisher.publish(message("again")).await).await;
        assert_eq!(rabbit.inspect().await.depth().await.unwrap().ready, 1);
    }
}

#[tokio::test]
async fn messages_with_the_same_id_are_not_confirmed_without_a_queue() {
    let rabbit = Rabbit::new().await;
    let publisher = rabbit.publisher().await;
    let (_client, channel) = channel(&rabbit).await;
    for id in ["", "one"] {
        channel.queue_delete(rabbit.queue().into(), QueueDeleteOptions::default()).await.unwrap();
        let publishing = (0..50).map(|_| publisher.publish(message(id)));
        let results = futures_util::future::join_all(publishing).await;
        assert!(results.iter().all(Result::is_err), "{results:?}");
        eventually("a publish succeeds", async || publisher.publish(message(id)).await).await;
        assert_eq!(rabbit.inspect().await.depth().await.unwrap().ready, 1);
    }
}

#[tokio::test]
async fn a_dead_letter_waits_for_its_queue_whatever_its_id() {
    let rabbit = Rabbit::new().await;
    let consumer = rabbit.consumer(Terms { prefetch: 20, ..Terms::default() }).await;
    let (_client, channel) = channel(&rabbit).await;
    let one = BasicProperties::default().with_message_id("one".into());
    let mut deliveries = Vec::new();
    for properties in [one, BasicProperties::default()].iter().cycle().take(20) {
        let (queue, options) = (rabbit.queue().into(), BasicPublishOptions::default());
        channel.basic_publish("".into(), queue, options, b"hello", properties.clone()).await.unwrap();
        deliveries.push(next(&consumer).await);
    }

    channel.queue_delete(rabbit.dead_letter_queue().into(), QueueDeleteOptions::default()).await.unwrap();
    let settling = deliveries.into_iter().map(|delivery| delivery.dead_letter("unwanted"));
    let letters = soon(futures_util::future::join_all(settling)).await;
    assert!(letters.iter().all(Result::is_ok), "{letters:?}");
    let letters = rabbit.inspect().await.dead_letters(100).await.unwrap();
    assert_eq!(letters.len(), 20);
    assert!(letters.iter().all(|letter| (letter.reason.as_str(), letter.attempts) == ("unwanted", 1)));
    assert_eq!(rabbit.inspect().await.depth().await.unwrap().ready, 0);
}

/// Declares the dead letters' queue with room for a few.
async fn declare_small_dead_letters(channel: &Channel, rabbit: &Rabbit) {
    let mut small = FieldTable::default();
    small.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    small.insert("x-max-length".into(), AMQPValue::LongInt(1));
    small.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let options = QueueDeclareOptions::durable();
    channel.queue_declare(rabbit.dead_letter_queue().into(), options, small).await.unwrap();
}

#[tokio::test]
async fn full_dead_letters_are_reported_and_block_no_good_message() {
    let broker = Broker::start().await;
    // In milliseconds: how soon the broker's own dead-lettering tries again.
    let setting = "application:set_env(rabbit, dead_letter_worker_publisher_confirm_timeout, 1000).";
    broker.ctl(&["eval", setting]).await;
    let rabbit = Rabbit::on(&broker.url());
    let (publisher, consumer) = (rabbit.publisher().await, rabbit.consumer(Terms::default()).await);
    let limit = async |messages: u32| {
        let limit = format!(r#"{{"max-length":{messages},"overflow":"reject-publish"}}"#);
        broker.ctl(&["set_policy", "limit", r"\.dlq$", &limit, "--apply-to", "queues"]).await;
    };
    limit(1).await;
    let unfit: BTreeSet<String> = (0..100).map(|number| format!("unfit-{number}")).collect();
    for id in &unfit {
        publisher.publish(message(id)).await.unwrap();
    }
    publisher.publish(message("good")).await.unwrap();

    let mut dead_lettering = JoinSet::new();
    loop {
        let delivery = next(&consumer).await;
        if delivery.message().id == "good" {
            break delivery.ack().await.unwrap();
        }
        dead_lettering.spawn(delivery.dead_letter("unwanted"));
    }
    let reason =
        eventually("the consumer is unavailable", async || consumer.ping().await.err()).await.to_string();
    assert!(reason.contains(&format!("queue {} is full", rabbit.dead_letter_queue())), "{reason}");

    // With room again, every message becomes a dead letter; the messages that the consumer could keep have their reason.
    limit(1_000).await;
    let (_client, channel) = channel(&rabbit).await;
    let mut letters: BTreeMap<String, bool> = BTreeMap::new();
    eventually("all are dead letters", async || {
        let get = channel.basic_get(rabbit.dead_letter_queue().into(), BasicGetOptions { no_ack: true });
        if let Some(letter) = get.await.unwrap() {
            let properties = &letter.delivery.properties;
            let headers = properties.headers().as_ref().unwrap().inner();
            let id = properties.message_id().as_ref().unwrap().to_string();
            letters.insert(id, headers.contains_key("octet-reason"));
        }
        if letters.len() == unfit.len() { Ok(()) } else { Err(format!("{} letters", letters.len())) }
    })
    .await;
    assert!(letters.keys().eq(&unfit));
    assert!(letters.values().filter(|has_reason| **has_reason).count() >= 5, "{letters:?}");
    assert!(dead_lettering.join_all().await.iter().all(Result::is_ok));
    eventually("the consumer works", async || consumer.ping().await).await;
}

#[tokio::test]
async fn a_dead_letter_waits_for_room_in_its_queue() {
    let rabbit = Rabbit::new().await;
    let (_client, channel) = channel(&rabbit).await;
    declare_small_dead_letters(&channel, &rabbit).await;
    let (publisher, consumer) = (rabbit.publisher().await, rabbit.consumer(Terms::default()).await);

    // A quorum queue accepts a few more than its limit.
    let mut dead_lettering = JoinSet::new();
    while consumer.ping().await.is_ok() {
        publisher.publish(message("unfit")).await.unwrap();
        let delivery = next(&consumer).await;
        dead_lettering.spawn(delivery.dead_letter("unwanted"));
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(dead_lettering.len() < 100, "the dead letters should be full by now");
    }
    eventually("the last dead letter is there", async || {
        channel.queue_purge(rabbit.dead_letter_queue().into(), QueuePurgeOptions::default()).await.unwrap();
        while dead_lettering.try_join_next().transpose().unwrap().transpose().unwrap().is_some() {}
        dead_lettering.is_empty()
    })
    .await;
    assert_eq!(rabbit.inspect().await.depth().await.unwrap().ready, 0);
}

#[tokio::test]
async fn a_message_is_delivered_again_when_its_dead_lettering_is_cancelled() {
    let rabbit = Rabbit::new().await;
    let (publisher, consumer) = (rabbit.publisher().await, rabbit.consumer(Terms::default()).await);
    publisher.publish(message("unfit")).await.unwrap();
    let delivery = next(&consumer).await;
    let (_client, channel) = channel(&rabbit).await;
    channel.queue_delete(rabbit.dead_letter_queue().into(), QueueDeleteOptions::default()).await.unwrap();
    let settling = tokio::time::timeout(Duration::from_millis(100), delivery.dead_letter("unwanted"));
    assert!(settling.await.is_err());
    assert_eq!(next(&consumer).await.message(), &message("unfit"));
}

#[tokio::test]
async fn a_queue_of_another_kind_is_reported_until_it_is_deleted() {
    let rabbit = Rabbit::new().await;
    let (_client, channel) = channel(&rabbit).await;
    let durable = QueueDeclareOptions::durable();
    channel.queue_declare(rabbit.queue().into(), durable, FieldTable::default()).await.unwrap();

    let publisher = RabbitPublisher::open(rabbit.settings(Terms::default())).await.unwrap();
    let reason = until_unavailable(&publisher, "another").await;
    let start = format!("the queue is unavailable: queue {} exists with another x-", rabbit.queue());
    assert!(reason.starts_with(&start) && reason.contains("QUEUE_NAME"), "{reason}");

    channel.queue_delete(rabbit.queue().into(), QueueDeleteOptions::default()).await.unwrap();
    eventually("a publish succeeds", async || publisher.publish(message("a")).await).await;
}

#[tokio::test]
async fn a_refused_login_is_reported_without_the_password() {
    let url = shared_broker().await;
    let (start, host) = url.rsplit_once('@').unwrap_or(("", url.trim_start_matches("amqp://")));
    assert!(start.is_empty() || start.starts_with("amqp://"));
    let of = |user_info: &str, host: &str| {
        RabbitSettings::new(format!("amqp://{user_info}@{host}").parse().unwrap(), "octet-test-refused")
    };
    let refused = RabbitPublisher::open(of("nobody:hunter2", host)).await.unwrap();
    let reason = until_unavailable(&refused, "ACCESS_REFUSED").await;
    assert!(!reason.contains("hunter2"), "{reason}");

    let user_info = start.trim_start_matches("amqp://");
    let user_info = if user_info.is_empty() { "guest:guest" } else { user_info };
    let (host, _) = host.split_once('/').unwrap_or((host, ""));
    let elsewhere = RabbitPublisher::open(of(user_info, &format!("{host}/no-such-host"))).await.unwrap();
    until_unavailable(&elsewhere, "no-such-host").await;
}

#[tokio::test]
async fn a_full_queue_is_unavailable_and_a_large_message_is_rejected() {
    let broker = Broker::start().await;
    let rabbit = Rabbit::on(&broker.url());
    let publisher = rabbit.publisher().await;

    broker.ctl(&["set_policy", "full", "^octet-test", r#"{"max-length":3}"#, "--apply-to", "queues"]).await;
    let mut refusal = None;
    // The policy applies after a moment, and a quorum queue accepts a few more.
    for number in 0..1_000 {
        if let Err(error) = publisher.publish(message(&number.to_string())).await {
            refusal = Some(error);
            break;
        }
    }
    let refusal = refusal.expect("a full queue refuses messages");
    assert!(refusal.is_retryable() && refusal.to_string().contains("is full"), "{refusal}");
    assert_eq!(publisher.ping().await, Ok(()));
    // A quorum queue accepts messages again once it is half empty, not when the limit is lifted.
    let consumer = rabbit.consumer(Terms::default()).await;
    next(&consumer).await.ack().await.unwrap();
    next(&consumer).await.ack().await.unwrap();
    next(&consumer).await.ack().await.unwrap();
    consumer.close().await.unwrap();
    broker.ctl(&["clear_policy", "full"]).await;
    eventually("a publish succeeds", async || publisher.publish(message("room")).await).await;

    // A channel reads the setting when it is opened; RabbitMQ 4 reads the copy that it made at its start.
    for set in [
        "application:set_env(rabbit, max_message_size, 100000).",
        "persistent_term:put(max_message_size, 100000).",
    ] {
        broker.ctl(&["eval", set]).await;
    }
    let publisher = rabbit.publisher().await;
    let large = Message { body: vec![b'x'; 200_000], ..message("large") };
    let (large, small): (_, Vec<_>) = futures_util::join!(
        publisher.publish(large),
        futures_util::future::join_all((0..20).map(|_| publisher.publish(message("small")))),
    );
    assert!(matches!(&large, Err(PublishError::Rejected(reason)) if reason.contains("100000")), "{large:?}");
    assert!(small.iter().all(Result::is_ok), "{small:?}");
    publisher.publish(message("after")).await.unwrap();
}

#[tokio::test]
async fn messages_of_other_origin_are_delivered_and_can_be_dead_lettered() {
    let rabbit = Rabbit::new().await;
    let consumer = rabbit.consumer(Terms::default()).await;
    let (_client, channel) = channel(&rabbit).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let mut headers = FieldTable::default();
    headers.insert("number".into(), AMQPValue::LongInt(7));
    headers.insert("CC".into(), AMQPValue::FieldArray(vec![].into()));
    let properties = BasicProperties::default().with_headers(headers).with_expiration("60000".into());
    let options = BasicPublishOptions::default();
    let confirm =
        channel.basic_publish("".into(), rabbit.queue().into(), options, b"hello", properties).await;
    assert!(confirm.unwrap().await.unwrap().is_ack());

    let delivery = next(&consumer).await;
    let expected = Message {
        id: String::new(),
        headers: vec![("number".to_owned(), "7".to_owned())],
        body: b"hello".to_vec(),
    };
    assert_eq!((delivery.message(), delivery.published()), (&expected, None));
    delivery.dead_letter("not ours").await.unwrap();
    let letters = rabbit.inspect().await.dead_letters(10).await.unwrap();
    assert_eq!(letters[0].reason, "not ours");
}

#[tokio::test]
async fn repeated_inspection_loses_no_dead_letter() {
    let rabbit = Rabbit::new().await;
    let inspect = rabbit.inspect().await;
    assert!(matches!(inspect.depth().await, Err(InspectError::Absent(_))));
    assert!(matches!(inspect.dead_letters(1).await, Err(InspectError::Absent(_))));
    let (publisher, consumer) = (rabbit.publisher().await, rabbit.consumer(Terms::default()).await);
    for number in 0..100 {
        publisher.publish(message(&number.to_string())).await.unwrap();
        next(&consumer).await.dead_letter("unwanted").await.unwrap();
    }
    // More often than the default delivery limit of RabbitMQ 4.
    for _ in 0..25 {
        let letters = inspect.dead_letters(3).await.unwrap();
        assert_eq!(letters.iter().map(|letter| letter.id.as_str()).collect::<Vec<_>>(), ["99", "98", "97"]);
        assert_eq!(inspect.depth().await.unwrap().dead_lettered, 100);
    }
    let asked = ["7", "x", "99"].map(str::to_owned);
    assert_eq!(inspect.pending(&asked).await.unwrap().dead_lettered, ["7", "99"]);
}

#[tokio::test]
async fn connections_are_closed_as_the_broker_expects() {
    let broker = Broker::start().await;
    let rabbit = Rabbit::on(&broker.url());
    let (publisher, consumer) = (rabbit.publisher().await, rabbit.consumer(Terms::default()).await);
    for _ in 0..40 {
        publisher.publish(message("unfit")).await.unwrap();
        next(&consumer).await.dead_letter("unwanted").await.unwrap();
    }
    let inspect = rabbit.inspect().await;
    for _ in 0..5 {
        inspect.depth().await.unwrap();
        assert_eq!(inspect.dead_letters(100).await.unwrap().len(), 40);
        inspect.pending(&["unfit".to_owned()]).await.unwrap();
    }
    let closed = async |name: &str, count: usize| {
        let name = format!("octet {name} of {}", rabbit.queue());
        eventually(&format!("{count} times: closing AMQP connection … {name}"), async || {
            let log = broker.log();
            let closing = log.lines().filter(|line| line.contains("closing AMQP connection"));
            let closing: Vec<&str> = closing.filter(|line| line.contains(&name)).collect();
            assert!(closing.iter().all(|line| line.contains("[info]")), "closed unexpectedly: {closing:#?}");
            closing.len() == count
        })
        .await;
    };
    closed("inspection", 15).await;
    drop(publisher);
    closed("publisher", 1).await;
    drop(consumer);
    closed("consumer", 1).await;
}

#[tokio::test]
async fn an_unreadable_file_or_an_invalid_setting_is_an_error_at_start() {
    let settings = |url: &str| RabbitSettings::new(url.parse().unwrap(), "greeting");
    let with_authority = settings("amqps://broker?cacertfile=/no/such/file.pem");
    let absent = RabbitPublisher::open(with_authority.clone()).await.err().unwrap();
    assert!(matches!(absent, OpenError::Untrustworthy { .. }), "{absent}");
    let inspected = RabbitQueueInspect::open(&with_authority).await.err().unwrap();
    assert!(inspected.to_string().contains("/no/such/file.pem"), "{inspected}");

    let file = tempfile::NamedTempFile::new().unwrap();
    let empty = settings(&format!("amqps://broker?cacertfile={}", file.path().display()));
    assert!(RabbitConsumer::open(empty).await.err().unwrap().to_string().contains("no PEM certificate"));

    let plain = settings("amqp://broker");
    let invalid = [
        RabbitSettings { queue: String::new(), ..plain.clone() },
        RabbitSettings { queue: "x".repeat(252), ..plain.clone() },
        RabbitSettings { queue: "amq.x".to_owned(), ..plain.clone() },
        RabbitSettings { prefetch: 0, ..plain.clone() },
        RabbitSettings { delivery_limit: 0, ..plain.clone() },
        RabbitSettings { heartbeat: Duration::from_millis(1_500), ..plain.clone() },
        RabbitSettings { confirm_timeout: Duration::ZERO, ..plain.clone() },
        RabbitSettings { connect_timeout: Duration::from_secs(61), ..plain },
    ];
    for settings in invalid {
        let opened = RabbitPublisher::open(settings.clone()).await;
        assert!(matches!(opened.err(), Some(OpenError::Invalid { .. })), "{settings:?}");
    }
}

#[tokio::test]
async fn publishing_works_after_callers_gave_up() {
    let rabbit = Rabbit::new().await;
    let publisher = Arc::new(rabbit.publisher().await);
    for number in 0..200 {
        let limit = Duration::from_micros(fastrand::u64(0..1_500));
        let _ = tokio::time::timeout(limit, publisher.publish(message(&number.to_string()))).await;
    }
    publisher.publish(message("last")).await.unwrap();
    let consumer = rabbit.consumer(Terms::default()).await;
    while next(&consumer).await.message().id != "last" {}
}

#[tokio::test]
async fn tls_trusts_the_private_authority_and_no_other() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let broker = Broker::builder().tls(&ours).start().await;
    let settings =
        |ca: &std::path::Path| RabbitSettings::new(broker.tls_url(ca).parse().unwrap(), "octet-test-tls");

    let trusting = RabbitPublisher::open(settings(&ours.ca())).await.unwrap();
    trusting.publish(message("a")).await.unwrap();
    assert_eq!(trusting.ping().await, Ok(()));
    let consumer: Arc<dyn octet_backends::queue::Consumer> =
        Arc::new(RabbitConsumer::open(settings(&ours.ca())).await.unwrap());
    next(&consumer).await.ack().await.unwrap();

    let distrusting = RabbitPublisher::open(settings(&theirs.ca())).await.unwrap();
    let reason = until_unavailable(&distrusting, "TLS failed").await;
    assert!(reason.contains("certificate"), "{reason}");
    let inspect = RabbitQueueInspect::open(&settings(&theirs.ca())).await.unwrap();
    let inspected = inspect.depth().await.unwrap_err();
    assert!(inspected.to_string().contains("TLS failed"), "{inspected}");
}
