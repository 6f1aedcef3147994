//! A response that streams. A task of its own makes it, so that it ends in time also if the caller does not read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream, stream::BoxStream};
use octet_proto::greeting::v3::Greeting;
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};
use tonic::{Code, Status, metadata::MetadataMap};

/// How long a caller may leave a greeting unread; after at most twice this time the call ends.
const MAX_UNREAD: Duration = Duration::from_secs(10);

/// The messages of a response, as tonic takes them.
pub(crate) type Greetings = BoxStream<'static, Result<Greeting, Status>>;

/// Where a call sends its greetings.
pub(crate) struct Sink {
    greetings: mpsc::Sender<Greeting>,
    sent: Arc<AtomicUsize>,
}

impl Sink {
    /// Waits until the caller has taken the greeting before this one. After the caller has left, it waits for the call to
    /// be dropped.
    pub(crate) async fn send(&self, greeting: Greeting) {
        if self.greetings.send(greeting).await.is_err() {
            std::future::pending::<()>().await;
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of greetings sent so far.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }
}

/// The greetings that `work` sends, then its trailers or its failure.
///
/// `work` is dropped when the caller leaves, or reads nothing for [`MAX_UNREAD`] while greetings wait.
pub(crate) fn respond<F>(work: impl FnOnce(Sink) -> F) -> Greetings
where
    F: Future<Output = Result<MetadataMap, Status>> + Send + 'static,
{
    let (greetings, received) = mpsc::channel(1);
    let (end, ended) = oneshot::channel();
    let sent = Arc::new(AtomicUsize::new(0));
    let work = work(Sink { greetings: greetings.clone(), sent: sent.clone() });
    tokio::spawn(async move {
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = greetings.closed() => return,
            () = unread(&greetings, &sent) => Err(Status::deadline_exceeded("the response was not read in time")),
        };
        // Fails if the caller has just left.
        end.send(outcome).ok();
    });
    stream::unfold(Some((received, ended)), async |open| {
        let (mut received, ended) = open?;
        if let Some(greeting) = received.recv().await {
            return Some((Ok(greeting), Some((received, ended))));
        }
        match ended.await {
            // tonic's server accepts custom trailers only as the metadata of an "error" with code OK.
            Ok(Ok(trailers)) if trailers.is_empty() => None,
            Ok(Ok(trailers)) => Some((Err(Status::with_metadata(Code::Ok, "", trailers)), None)),
            Ok(Err(status)) => Some((Err(status), None)),
            Err(_) => Some((Err(Status::internal("the call did not end")), None)),
        }
    })
    .boxed()
}

/// Resolves when a greeting has been left unread for [`MAX_UNREAD`].
async fn unread(greetings: &mpsc::Sender<Greeting>, sent: &AtomicUsize) {
    let mut before = usize::MAX;
    loop {
        let now = sent.load(Ordering::Relaxed);
        if now == before && greetings.capacity() == 0 {
            return;
        }
        before = now;
        sleep(MAX_UNREAD).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports its drop.
    struct Guard(Option<oneshot::Sender<()>>);

    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.take().map(|dropped| dropped.send(()));
        }
    }

    async fn endless(sink: Sink, guard: Guard) -> Result<MetadataMap, Status> {
        let _guard = guard;
        loop {
            sink.send(Greeting::default()).await;
        }
    }

    #[tokio::test]
    async fn the_greetings_come_before_the_trailers_or_the_failure() {
        let mut trailers = MetadataMap::new();
        trailers.insert("key", "value".parse().unwrap());
        for (outcome, code) in [
            (Ok(MetadataMap::new()), None),
            (Ok(trailers), Some(Code::Ok)),
            (Err(Status::aborted("")), Some(Code::Aborted)),
        ] {
            let greetings = respond(async |sink: Sink| {
                sink.send(Greeting::default()).await;
                sink.send(Greeting::default()).await;
                outcome
            });
            let mut all: Vec<_> = greetings.collect().await;
            let last = if code.is_some() { all.pop() } else { None };
            assert_eq!(last.map(|last| last.unwrap_err().code()), code);
            assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 2);
            assert_eq!(all.len(), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_reads_nothing_ends_the_call() {
        let (dropped, ended) = oneshot::channel();
        let mut greetings = respond(|sink| endless(sink, Guard(Some(dropped))));
        ended.await.expect("the call is dropped");
        assert!(greetings.next().await.unwrap().is_ok(), "what was sent stays");
        assert_eq!(greetings.next().await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
        assert!(greetings.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_reads_slowly_keeps_the_call() {
        let (dropped, mut ended) = oneshot::channel();
        let mut greetings = respond(|sink| endless(sink, Guard(Some(dropped))));
        for _ in 0..10 {
            sleep(MAX_UNREAD * 4 / 5).await;
            assert!(greetings.next().await.unwrap().is_ok());
        }
        ended.try_recv().expect_err("the call goes on");
    }

    #[tokio::test]
    async fn a_caller_that_leaves_ends_the_call() {
        let (dropped, ended) = oneshot::channel();
        let mut greetings = respond(|sink| endless(sink, Guard(Some(dropped))));
        greetings.next().await.unwrap().unwrap();
        drop(greetings);
        ended.await.expect("the call is dropped");
    }
}
