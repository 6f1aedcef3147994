//! The contract of a queue: its publisher and its consumer.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use octet_backends::{
    inspect::QueueDepth,
    queue::{ConsumeError, Message},
};
use octet_testbed::eventually;
use tokio::task::JoinSet;

use crate::{
    Queues, Terms, WholeLetter,
    factories::{message, next, nothing_within, soon, unique},
};

/// Tests `$factory`'s adapter against the contract, with a test per case. `$factory` is an expression that makes a factory.
macro_rules! queue_contract {
    ($factory:expr) => {
        $crate::queue::queue_contract! { $factory;
            a_published_message_is_delivered_and_gone_once_acked,
            a_confirmed_message_outlives_its_publisher,
            messages_come_oldest_first,
            a_message_is_delivered_as_it_was_published,
            a_message_with_the_same_id_and_other_content_is_not_lost,
            a_released_message_is_delivered_again,
            a_message_given_back_is_delivered_again_and_not_counted,
            a_dropped_delivery_is_delivered_again,
            a_delivery_of_a_panicked_task_is_delivered_again,
            a_killed_processs_delivery_is_delivered_again,
            a_message_released_too_often_is_dead_lettered,
            a_dead_letter_keeps_body_headers_and_reason,
            a_slow_handler_keeps_its_delivery,
            two_consumers_never_hold_the_same_message,
            deliveries_settle_in_any_order,
            no_more_than_the_prefetch_limit_is_outstanding,
            closing_gives_back_messages_that_were_not_handed_out,
            dropping_a_consumer_gives_back_messages_that_were_not_handed_out,
            closing_ends_the_wait_and_leaves_deliveries_valid,
            a_cancelled_wait_loses_no_message,
            inspection_lists_pending_messages,
            inspection_reports_since_when_the_oldest_message_waits,
            a_ping_succeeds,
        }
    };
    ($factory:expr; $($case:ident),+ $(,)?) => {
        mod queue_contract {
            use super::*;
            $(#[tokio::test]
            async fn $case() {
                $crate::queue::$case(&$factory).await;
            })+
        }
    };
}
pub(crate) use queue_contract;

pub(crate) use crate::queue_inspection::{
    inspection_lists_pending_messages, inspection_reports_since_when_the_oldest_message_waits,
};

pub(crate) async fn publish_all(queues: &impl Queues, ids: impl IntoIterator<Item = &str>) {
    let publisher = queues.publisher().await;
    for id in ids {
        publisher.publish(message(id)).await.unwrap();
    }
}

async fn until_empty(queues: &impl Queues) {
    eventually("the queue is empty", async || {
        let depth = queues.inspect().await.depth().await.unwrap();
        depth.ready + depth.leased == 0
    })
    .await;
}

async fn until_dead_lettered(queues: &impl Queues, expected: &[WholeLetter]) {
    eventually(&format!("the dead letters are {expected:?}"), async || {
        let found = queues.dead_letters().await;
        if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

pub(crate) async fn a_published_message_is_delivered_and_gone_once_acked(queues: &impl Queues) {
    let consumer = queues.consumer(Terms::default()).await;
    publish_all(queues, ["a"]).await;
    let delivery = next(&consumer).await;
    assert_eq!(delivery.message(), &message("a"));
    assert_eq!(delivery.attempt(), 1);
    let depth = queues.inspect().await.depth().await;
    assert_eq!(depth, Ok(queues.sight().of_depth(QueueDepth { leased: 1, ..QueueDepth::default() })));
    delivery.ack().await.unwrap();
    until_empty(queues).await;
    assert_eq!(queues.inspect().await.depth().await, Ok(QueueDepth::default()));
}

pub(crate) async fn a_confirmed_message_outlives_its_publisher(queues: &impl Queues) {
    publish_all(queues, ["a"]).await;
    let consumer = queues.consumer(Terms::default()).await;
    assert_eq!(next(&consumer).await.message(), &message("a"));
}

pub(crate) async fn messages_come_oldest_first(queues: &impl Queues) {
    let ids: Vec<String> = (0..50).map(|_| unique()).collect();
    publish_all(queues, ids.iter().map(String::as_str)).await;
    let consumer = queues.consumer(Terms::default()).await;
    for id in &ids {
        let delivery = next(&consumer).await;
        assert_eq!(&delivery.message().id, id);
        delivery.ack().await.unwrap();
    }
}

pub(crate) async fn a_message_is_delivered_as_it_was_published(queues: &impl Queues) {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let messages = [
        Message { id: "no-headers".to_owned(), headers: vec![], body: vec![] },
        Message {
            id: "two-alike".to_owned(),
            headers: vec![header("baggage", "a=1"), header("baggage", "b=2")],
            body: b"{}".to_vec(),
        },
        Message {
            id: "unicode".to_owned(),
            headers: vec![header("greeting", "नमस्ते \"你好\" 👋🏽")],
            body: "أهلا".into(),
        },
        Message { id: "bytes".to_owned(), headers: vec![], body: vec![0, 255, 0, 128, 10] },
        Message { id: "text-with-nul".to_owned(), headers: vec![], body: b"a\0b".to_vec() },
        Message {
            id: "large".to_owned(),
            headers: vec![],
            body: (0..1024 * 1024).map(|byte: u32| byte.to_le_bytes()[0]).collect(),
        },
    ];
    let publisher = queues.publisher().await;
    for message in &messages {
        publisher.publish(message.clone()).await.unwrap();
    }
    let consumer = queues.consumer(Terms::default()).await;
    for message in &messages {
        let delivery = next(&consumer).await;
        assert!(delivery.message() == message, "{}", message.id);
        delivery.ack().await.unwrap();
    }
}

pub(crate) async fn a_message_with_the_same_id_and_other_content_is_not_lost(queues: &impl Queues) {
    let other = Message { body: b"other content".to_vec(), ..message("a") };
    let retry = Message { headers: vec![("b3".to_owned(), "1".to_owned())], ..message("a") };
    let publisher = queues.publisher().await;
    for message in [message("a"), other.clone(), retry] {
        publisher.publish(message).await.unwrap();
    }
    // Delivered, for the store to tell them apart, or dead-lettered already.
    let consumer = queues.consumer(Terms::default()).await;
    let mut delivered = Vec::new();
    eventually("both contents are found", async || {
        if let Ok(delivery) = tokio::time::timeout(Duration::from_millis(10), consumer.next()).await {
            let delivery = delivery.unwrap();
            delivered.push(delivery.message().body.clone());
            delivery.ack().await.unwrap();
        }
        let letters = queues.dead_letters().await;
        let bodies = letters.iter().map(|letter| &letter.message.body).chain(&delivered);
        bodies.collect::<HashSet<_>>() == HashSet::from([&message("a").body, &other.body])
    })
    .await;
    let letters = queues.dead_letters().await;
    assert!(letters.iter().all(|letter| letter.message == other), "{letters:?}");
}

pub(crate) async fn a_released_message_is_delivered_again(queues: &impl Queues) {
    publish_all(queues, ["a"]).await;
    let consumer = queues.consumer(Terms::default()).await;
    next(&consumer).await.release().await.unwrap();
    let again = next(&consumer).await;
    assert_eq!((again.message(), again.attempt()), (&message("a"), 2));
    again.ack().await.unwrap();
    until_empty(queues).await;
    let depth = queues.inspect().await.depth().await;
    assert_eq!(depth, Ok(queues.sight().of_depth(QueueDepth { redelivered: 1, ..QueueDepth::default() })));
}

pub(crate) async fn a_message_given_back_is_delivered_again_and_not_counted(queues: &impl Queues) {
    let terms = Terms { delivery_limit: 3, ..Terms::default() };
    let publisher = queues.publisher_on(terms).await;
    publisher.publish(message("a")).await.unwrap();
    // Where every delivery counts, as often as the limit allows.
    let times = if queues.counts_given_back() { 2 } else { 10 };
    for before in 0..times {
        let consumer = queues.consumer(terms).await;
        let delivery = next(&consumer).await;
        assert_eq!(delivery.message(), &message("a"));
        let counted = if queues.counts_given_back() { before } else { 0 };
        assert!(delivery.attempt() <= 1 + counted, "{delivery:?}");
        consumer.close().await.unwrap();
        delivery.give_back().await.unwrap();
    }
    next(&queues.consumer(terms).await).await.ack().await.unwrap();
    until_empty(queues).await;
}

pub(crate) async fn a_dropped_delivery_is_delivered_again(queues: &impl Queues) {
    publish_all(queues, ["a"]).await;
    let consumer = queues.consumer(Terms::default()).await;
    drop(next(&consumer).await);
    let again = next(&consumer).await;
    assert_eq!((again.message(), again.attempt()), (&message("a"), 2));
}

pub(crate) async fn a_delivery_of_a_panicked_task_is_delivered_again(queues: &impl Queues) {
    publish_all(queues, ["a"]).await;
    let consumer = queues.consumer(Terms::default()).await;
    let delivery = next(&consumer).await;
    let task = tokio::spawn(async move {
        let _held = delivery;
        std::panic::resume_unwind(Box::new("the handler has a defect"));
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(next(&consumer).await.attempt(), 2);
}

pub(crate) async fn a_killed_processs_delivery_is_delivered_again(queues: &impl Queues) {
    publish_all(queues, ["a", "b"]).await;
    let mut process = queues.taken_by_a_process().await;
    let consumer = queues.consumer(Terms::default()).await;
    let other = next(&consumer).await;
    assert_eq!(other.message(), &message("b"));
    process.kill().await;
    let delivery = next(&consumer).await;
    assert_eq!((delivery.message(), delivery.attempt()), (&message("a"), 2));
}

pub(crate) async fn a_message_released_too_often_is_dead_lettered(queues: &impl Queues) {
    let terms = Terms { prefetch: 1, delivery_limit: 3, ..Terms::default() };
    let publisher = queues.publisher_on(terms).await;
    for id in ["a", "b"] {
        publisher.publish(message(id)).await.unwrap();
    }
    let consumer = queues.consumer(terms).await;
    for attempt in 1..=3 {
        let delivery = next(&consumer).await;
        assert_eq!((delivery.message().id.as_str(), delivery.attempt()), ("a", attempt));
        delivery.release().await.unwrap();
    }
    assert_eq!(next(&consumer).await.message().id, "b");
    let expected = WholeLetter { message: message("a"), reason: "delivery limit of 3 reached".to_owned() };
    until_dead_lettered(queues, &[expected]).await;
    assert_eq!(queues.inspect().await.depth().await.unwrap().dead_lettered, 1);
    let letters = queues.inspect().await.dead_letters(10).await.unwrap();
    assert_eq!((letters[0].reason.as_str(), letters[0].attempts), ("delivery limit of 3 reached", 3));
}

pub(crate) async fn a_dead_letter_keeps_body_headers_and_reason(queues: &impl Queues) {
    publish_all(queues, ["a"]).await;
    let consumer = queues.consumer(Terms::default()).await;
    next(&consumer).await.dead_letter("not a greeting: 'x'").await.unwrap();
    until_empty(queues).await;
    let expected = WholeLetter { message: message("a"), reason: "not a greeting: 'x'".to_owned() };
    until_dead_lettered(queues, &[expected]).await;
    // A broker returns what a reader has looked at a moment after that reader has left.
    let letters = eventually("the dead letter is listed", async || {
        let letters = queues.inspect().await.dead_letters(10).await.unwrap();
        (!letters.is_empty()).then_some(letters)
    })
    .await;
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].id.as_str(), letters[0].reason.as_str()), ("a", "not a greeting: 'x'"));
}

pub(crate) async fn a_slow_handler_keeps_its_delivery(queues: &impl Queues) {
    let terms = Terms { lease: Duration::from_millis(800), ..Terms::default() };
    publish_all(queues, ["a"]).await;
    let slow = queues.consumer(terms).await;
    let delivery = next(&slow).await;
    let other = queues.consumer(terms).await;
    nothing_within(3 * terms.lease, &other).await;
    delivery.ack().await.unwrap();
    until_empty(queues).await;
}

pub(crate) async fn two_consumers_never_hold_the_same_message(queues: &impl Queues) {
    let ids: HashSet<String> = (0..300).map(|_| unique()).collect();
    let held = Arc::new(Mutex::new(HashSet::new()));
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let mut tasks = JoinSet::new();
    for _ in 0..2 {
        let consumer = queues.consumer(Terms::default()).await;
        for _ in 0..5 {
            let (consumer, held, seen) = (Arc::clone(&consumer), Arc::clone(&held), Arc::clone(&seen));
            tasks.spawn(async move {
                loop {
                    let delivery = consumer.next().await.unwrap();
                    let id = delivery.message().id.clone();
                    assert!(held.lock().unwrap().insert(id.clone()), "{id} is held twice");
                    tokio::task::yield_now().await;
                    held.lock().unwrap().remove(&id);
                    // Some are released, so that they go to the other consumer.
                    if delivery.attempt() == 1 && fastrand::bool() {
                        delivery.release().await.unwrap();
                    } else {
                        delivery.ack().await.unwrap();
                        assert!(seen.lock().unwrap().insert(id), "acked twice");
                    }
                }
            });
        }
    }
    publish_all(queues, ids.iter().map(String::as_str)).await;
    let all_seen = eventually("all messages are seen", async || seen.lock().unwrap().len() == ids.len());
    tokio::select! {
        ended = tasks.join_next() => panic!("a task ended: {ended:?}"),
        () = all_seen => {}
    }
    assert_eq!(*seen.lock().unwrap(), ids);
    until_empty(queues).await;
}

pub(crate) async fn deliveries_settle_in_any_order(queues: &impl Queues) {
    publish_all(queues, ["a", "b", "c", "d"]).await;
    let consumer = queues.consumer(Terms::default()).await;
    let (a, b) = (next(&consumer).await, next(&consumer).await);
    let (c, d) = (next(&consumer).await, next(&consumer).await);
    let (d, c, b) = tokio::join!(d.ack(), c.dead_letter("unwanted"), b.ack());
    assert_eq!((d, c, b), (Ok(()), Ok(()), Ok(())));
    a.release().await.unwrap();
    let again = next(&consumer).await;
    assert_eq!(again.message().id, "a");
    again.ack().await.unwrap();
    until_empty(queues).await;
}

pub(crate) async fn no_more_than_the_prefetch_limit_is_outstanding(queues: &impl Queues) {
    publish_all(queues, ["a", "b", "c", "d"]).await;
    let consumer = queues.consumer(Terms { prefetch: 2, ..Terms::default() }).await;
    let a = next(&consumer).await;
    let _b = next(&consumer).await;
    nothing_within(Duration::from_millis(300), &consumer).await;
    a.ack().await.unwrap();
    assert_eq!(next(&consumer).await.message().id, "c");
}

pub(crate) async fn closing_gives_back_messages_that_were_not_handed_out(queues: &impl Queues) {
    publish_all(queues, ["a", "b", "c"]).await;
    let closing = queues.consumer(Terms::default()).await;
    let a = next(&closing).await;
    closing.close().await.unwrap();
    let other = queues.consumer(Terms::default()).await;
    // Well within a lease: the messages do not wait for its end.
    let given_back = async { [next(&other).await, next(&other).await] };
    let given_back = tokio::time::timeout(Terms::default().lease / 2, given_back).await.unwrap();
    assert_eq!(given_back.each_ref().map(|delivery| delivery.message().id.as_str()), ["b", "c"]);
    a.ack().await.unwrap();
    closing.close().await.unwrap();
}

pub(crate) async fn dropping_a_consumer_gives_back_messages_that_were_not_handed_out(queues: &impl Queues) {
    publish_all(queues, ["a", "b"]).await;
    let dropped = queues.consumer(Terms::default()).await;
    let a = next(&dropped).await;
    drop(dropped);
    let other = queues.consumer(Terms::default()).await;
    assert_eq!(next(&other).await.message().id, "b");
    a.ack().await.unwrap();
}

pub(crate) async fn closing_ends_the_wait_and_leaves_deliveries_valid(queues: &impl Queues) {
    publish_all(queues, ["a"]).await;
    let consumer = queues.consumer(Terms::default()).await;
    let a = next(&consumer).await;
    let waiting = {
        let consumer = Arc::clone(&consumer);
        tokio::spawn(async move { consumer.next().await.map(|delivery| delivery.message().id.clone()) })
    };
    tokio::task::yield_now().await;
    consumer.close().await.unwrap();
    assert_eq!(soon(waiting).await.unwrap(), Err(ConsumeError::Closed));
    assert_eq!(soon(consumer.next()).await.unwrap_err(), ConsumeError::Closed);
    a.ack().await.unwrap();
    until_empty(queues).await;
}

pub(crate) async fn a_cancelled_wait_loses_no_message(queues: &impl Queues) {
    let ids: HashSet<String> = (0..100).map(|_| unique()).collect();
    let consumer = queues.consumer(Terms::default()).await;
    publish_all(queues, ids.iter().map(String::as_str)).await;
    let mut seen = HashSet::new();
    soon(async {
        while seen.len() < ids.len() {
            // Cancelled at random moments.
            let limit = Duration::from_micros(fastrand::u64(0..3_000));
            if let Ok(delivery) = tokio::time::timeout(limit, consumer.next()).await {
                let delivery = delivery.unwrap();
                assert_eq!(delivery.attempt(), 1);
                assert!(seen.insert(delivery.message().id.clone()));
                delivery.ack().await.unwrap();
            }
        }
    })
    .await;
    assert_eq!(seen, ids);
}

pub(crate) async fn a_ping_succeeds(queues: &impl Queues) {
    assert_eq!(queues.publisher().await.ping().await, Ok(()));
    assert_eq!(queues.consumer(Terms::default()).await.ping().await, Ok(()));
}
