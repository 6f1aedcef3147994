//! The contract of a queue's inspection.

use std::time::{Duration, SystemTime};

use octet_backends::inspect::{Pending, QueueDepth};

use crate::{Queues, Sight, Terms, factories::next, queue::publish_all};

pub(crate) async fn inspection_lists_pending_messages(queues: &impl Queues) {
    publish_all(queues, ["a", "b", "c"]).await;
    let consumer = queues.consumer(Terms { prefetch: 1, ..Terms::default() }).await;
    next(&consumer).await.dead_letter("unwanted").await.unwrap();
    next(&consumer).await.ack().await.unwrap();
    let _c = next(&consumer).await;
    let asked = ["d", "c", "b", "a"].map(str::to_owned);
    let pending = queues.inspect().await.pending(&asked).await.unwrap();
    let expected = Pending { queued: vec!["c".to_owned()], dead_lettered: vec!["a".to_owned()] };
    assert_eq!(pending, queues.sight().of_pending(expected));
    let depth = queues.inspect().await.depth().await.unwrap();
    let expected = QueueDepth { ready: 0, leased: 1, dead_lettered: 1, redelivered: 0 };
    assert_eq!(depth, queues.sight().of_depth(expected));
}

pub(crate) async fn inspection_reports_since_when_the_oldest_message_waits(queues: &impl Queues) {
    // Timestamps have milliseconds.
    let before = SystemTime::now() - Duration::from_millis(1);
    publish_all(queues, ["a", "b"]).await;
    let between = SystemTime::now();
    publish_all(queues, ["c"]).await;
    let consumer = queues.consumer(Terms { prefetch: 1, ..Terms::default() }).await;
    let taken = next(&consumer).await;
    let oldest = queues.inspect().await.oldest_ready().await.unwrap();
    match queues.sight() {
        Sight::Everything => assert!(oldest.is_some_and(|at| before <= at && at <= between), "{oldest:?}"),
        Sight::ReadyAndDead => assert_eq!(oldest, None),
    }

    taken.ack().await.unwrap();
    next(&consumer).await.ack().await.unwrap();
    next(&consumer).await.ack().await.unwrap();
    assert_eq!(queues.inspect().await.oldest_ready().await, Ok(None));
}
