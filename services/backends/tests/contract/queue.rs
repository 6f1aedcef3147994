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
use tokio::task::JoinSet;

use crate::{
    Buried, Queues, Terms,
    factories::{PATIENCE, message, next, nothing_within, soon, unique, until},
};

/// Holds `$factory`'s adapter to the contract, a test a case. `$factory` is an expression that makes a factory.
macro_rules! queue_contract {
    ($factory:expr) => {
        $crate::queue::queue_contract! { $factory;
            a_published_message_is_delivered_and_gone_once_acked,
            what_was_confirmed_outlives_its_publisher,
            messages_come_oldest_first,
            a_message_comes_back_as_it_was_published,
            a_released_message_is_delivered_again,
            a_message_given_back_is_delivered_again_and_not_counted,
            a_dropped_delivery_is_delivered_again,
            a_delivery_of_a_panicked_task_is_delivered_again,
            what_a_killed_process_held_is_delivered_again,
            a_message_released_too_often_is_dead_lettered,
            a_dead_letter_keeps_body_headers_and_reason,
            a_slow_handler_keeps_its_delivery,
            two_consumers_never_hold_one_message,
            deliveries_settle_in_any_order,
            no_more_than_the_prefetch_limit_is_outstanding,
            closing_gives_back_what_was_not_handed_out,
            dropping_a_consumer_gives_back_what_was_not_handed_out,
            closing_ends_waiting_and_leaves_deliveries_valid,
            a_cancelled_wait_loses_no_message,
            inspection_tells_what_is_pending,
            inspection_tells_since_when_the_oldest_message_waits,
            a_queue_that_works_answers_a_ping,
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
    inspection_tells_since_when_the_oldest_message_waits, inspection_tells_what_is_pending,
};

pub(crate) async fn publish_all(queues: &impl Queues, ids: impl IntoIterator<Item = &str>) {
    let publisher = queues.publisher().await;
    for id in ids {
        publisher.publish(message(id)).await.unwrap();
    }
}

async fn is_empty(queues: &impl Queues) -> bool {
    let depth = queues.inspect().await.depth().await.unwrap();
    depth.ready + depth.leased == 0
}

async fn until_buried(queues: &impl Queues, expected: &[Buried]) {
    // A broker buries in its own time.
    let _ = tokio::time::timeout(PATIENCE, async {
        while queues.buried().await != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(queues.buried().await, expected);
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
    until(|| is_empty(queues)).await;
    assert_eq!(queues.inspect().await.depth().await, Ok(QueueDepth::default()));
}

pub(crate) async fn what_was_confirmed_outlives_its_publisher(queues: &impl Queues) {
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

pub(crate) async fn a_message_comes_back_as_it_was_published(queues: &impl Queues) {
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

pub(crate) async fn a_released_message_is_delivered_again(queues: &impl Queues) {
    publish_all(queues, ["a"]).await;
    let consumer = queues.consumer(Terms::default()).await;
    next(&consumer).await.release().await.unwrap();
    let again = next(&consumer).await;
    assert_eq!((again.message(), again.attempt()), (&message("a"), 2));
    again.ack().await.unwrap();
    until(|| is_empty(queues)).await;
    let depth = queues.inspect().await.depth().await;
    assert_eq!(depth, Ok(queues.sight().of_depth(QueueDepth { redelivered: 1, ..QueueDepth::default() })));
}

pub(crate) async fn a_message_given_back_is_delivered_again_and_not_counted(queues: &impl Queues) {
    let terms = Terms { delivery_limit: 3, ..Terms::default() };
    let publisher = queues.publisher_on(terms).await;
    publisher.publish(message("a")).await.unwrap();
    // Where it counts all the same, as often as the limit allows.
    let times = if queues.counts_what_is_given_back() { 2 } else { 10 };
    for before in 0..times {
        let consumer = queues.consumer(terms).await;
        let delivery = next(&consumer).await;
        assert_eq!(delivery.message(), &message("a"));
        let counted = if queues.counts_what_is_given_back() { before } else { 0 };
        assert!(delivery.attempt() <= 1 + counted, "{delivery:?}");
        consumer.close().await.unwrap();
        delivery.give_back().await.unwrap();
    }
    next(&queues.consumer(terms).await).await.ack().await.unwrap();
    until(|| is_empty(queues)).await;
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

pub(crate) async fn what_a_killed_process_held_is_delivered_again(queues: &impl Queues) {
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
    let expected = Buried { message: message("a"), reason: "delivery limit of 3 reached".to_owned() };
    until_buried(queues, &[expected]).await;
    assert_eq!(queues.inspect().await.depth().await.unwrap().dead_lettered, 1);
    let letters = queues.inspect().await.dead_letters(10).await.unwrap();
    assert_eq!((letters[0].reason.as_str(), letters[0].attempts), ("delivery limit of 3 reached", 3));
}

pub(crate) async fn a_dead_letter_keeps_body_headers_and_reason(queues: &impl Queues) {
    publish_all(queues, ["a"]).await;
    let consumer = queues.consumer(Terms::default()).await;
    next(&consumer).await.dead_letter("is no greeting: 'x'").await.unwrap();
    until(|| is_empty(queues)).await;
    let expected = Buried { message: message("a"), reason: "is no greeting: 'x'".to_owned() };
    until_buried(queues, &[expected]).await;
    let letters = queues.inspect().await.dead_letters(10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].id.as_str(), letters[0].reason.as_str()), ("a", "is no greeting: 'x'"));
}

pub(crate) async fn a_slow_handler_keeps_its_delivery(queues: &impl Queues) {
    let terms = Terms { lease: Duration::from_millis(800), ..Terms::default() };
    publish_all(queues, ["a"]).await;
    let slow = queues.consumer(terms).await;
    let delivery = next(&slow).await;
    let other = queues.consumer(terms).await;
    nothing_within(3 * terms.lease, &other).await;
    delivery.ack().await.unwrap();
    until(|| is_empty(queues)).await;
}

pub(crate) async fn two_consumers_never_hold_one_message(queues: &impl Queues) {
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
                    // Released sometimes, so that messages change hands.
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
    soon(async {
        while seen.lock().unwrap().len() < ids.len() {
            tokio::select! {
                ended = tasks.join_next() => panic!("a task ended: {ended:?}"),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
    })
    .await;
    assert_eq!(*seen.lock().unwrap(), ids);
    until(|| is_empty(queues)).await;
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
    until(|| is_empty(queues)).await;
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

pub(crate) async fn closing_gives_back_what_was_not_handed_out(queues: &impl Queues) {
    publish_all(queues, ["a", "b", "c"]).await;
    let closing = queues.consumer(Terms::default()).await;
    let a = next(&closing).await;
    closing.close().await.unwrap();
    let other = queues.consumer(Terms::default()).await;
    // Well within a lease: nobody has to wait for it to end.
    let given_back = async { [next(&other).await, next(&other).await] };
    let given_back = tokio::time::timeout(Terms::default().lease / 2, given_back).await.unwrap();
    assert_eq!(given_back.each_ref().map(|delivery| delivery.message().id.as_str()), ["b", "c"]);
    a.ack().await.unwrap();
    closing.close().await.unwrap();
}

pub(crate) async fn dropping_a_consumer_gives_back_what_was_not_handed_out(queues: &impl Queues) {
    publish_all(queues, ["a", "b"]).await;
    let dropped = queues.consumer(Terms::default()).await;
    let a = next(&dropped).await;
    drop(dropped);
    let other = queues.consumer(Terms::default()).await;
    assert_eq!(next(&other).await.message().id, "b");
    a.ack().await.unwrap();
}

pub(crate) async fn closing_ends_waiting_and_leaves_deliveries_valid(queues: &impl Queues) {
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
    until(|| is_empty(queues)).await;
}

pub(crate) async fn a_cancelled_wait_loses_no_message(queues: &impl Queues) {
    let ids: HashSet<String> = (0..100).map(|_| unique()).collect();
    let consumer = queues.consumer(Terms::default()).await;
    publish_all(queues, ids.iter().map(String::as_str)).await;
    let mut seen = HashSet::new();
    soon(async {
        while seen.len() < ids.len() {
            // Cancelled again and again, at moments of any kind.
            let patience = Duration::from_micros(fastrand::u64(0..3_000));
            if let Ok(delivery) = tokio::time::timeout(patience, consumer.next()).await {
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

pub(crate) async fn a_queue_that_works_answers_a_ping(queues: &impl Queues) {
    assert_eq!(queues.publisher().await.ping().await, Ok(()));
    assert_eq!(queues.consumer(Terms::default()).await.ping().await, Ok(()));
}
