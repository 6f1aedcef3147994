//! A response that streams. A task of its own makes it, so that it ends in time also if the caller does not read.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream, stream::BoxStream};
use octet_proto::greeting::v3::Greeting;
use tokio::{
    sync::{mpsc, oneshot, watch},
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
    /// Set where the call goes on without its caller; closed once nobody takes its greetings.
    attended: OnceLock<watch::Receiver<()>>,
}

impl Sink {
    /// Waits until the caller has taken the greeting before this one. After the caller has left, it waits for the call to
    /// be dropped, or discards the greeting where the call [goes on](Self::finish).
    pub(crate) async fn send(&self, greeting: Greeting) {
        let sent = match self.attended.get() {
            None => match self.greetings.send(greeting).await {
                Ok(()) => true,
                Err(_) => std::future::pending().await,
            },
            Some(attended) => {
                let mut attended = attended.clone();
                tokio::select! {
                    // Nothing is ever sent: it has been closed.
                    _ = attended.changed() => false,
                    sent = self.greetings.send(greeting) => sent.is_ok(),
                }
            }
        };
        if sent {
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// From now on, greetings are discarded once what this returns is dropped.
    pub(crate) fn finish(&self) -> watch::Sender<()> {
        let (sender, receiver) = watch::channel(());
        // It is called once.
        self.attended.set(receiver).ok();
        sender
    }

    /// The number of greetings sent so far.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }
}

/// A response that has not ended.
struct Open {
    received: mpsc::Receiver<Greeting>,
    ended: oneshot::Receiver<Result<MetadataMap, Status>>,
    /// How the call ended, before its last greetings are read.
    outcome: Option<Result<MetadataMap, Status>>,
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
    let attended = OnceLock::new();
    let work = work(Sink { greetings: greetings.clone(), sent: sent.clone(), attended });
    tokio::spawn(async move {
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = greetings.closed() => return,
            () = unread(&greetings, &sent) => Err(Status::deadline_exceeded("the response was not read in time")),
        };
        // Fails if the caller has just left.
        end.send(outcome).ok();
    });
    stream::unfold(Some(Open { received, ended, outcome: None }), async |open| {
        let mut open = open?;
        if open.outcome.is_none() {
            tokio::select! {
                biased;
                Some(greeting) = open.received.recv() => return Some((Ok(greeting), Some(open))),
                ended = &mut open.ended => {
                    let lost = || Err(Status::internal("the call did not end"));
                    open.outcome = Some(ended.unwrap_or_else(|_| lost()));
                    // A call that goes on without its caller still has its end of the channel.
                    open.received.close();
                }
            }
        }
        if let Some(greeting) = open.received.recv().await {
            return Some((Ok(greeting), Some(open)));
        }
        match open.outcome {
            // tonic's server accepts custom trailers only as the metadata of an "error" with code OK.
            Some(Ok(trailers)) if trailers.is_empty() => None,
            Some(Ok(trailers)) => Some((Err(Status::with_metadata(Code::Ok, "", trailers)), None)),
            Some(Err(status)) => Some((Err(status), None)),
            None => None,
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

    #[tokio::test(start_paused = true)]
    async fn a_call_that_goes_on_discards_what_nobody_takes() {
        for leaves in [true, false] {
            let (done, finished) = oneshot::channel();
            let mut greetings = respond(async move |sink: Sink| {
                let attended = sink.finish();
                let work = tokio::spawn(async move {
                    for _ in 0..5 {
                        sink.send(Greeting::default()).await;
                    }
                    done.send(sink.sent()).unwrap();
                });
                if leaves {
                    work.await.unwrap();
                } else {
                    sleep(Duration::from_millis(10)).await;
                }
                drop(attended);
                Err(Status::deadline_exceeded(""))
            });
            greetings.next().await.unwrap().unwrap();
            if leaves {
                drop(greetings);
            } else {
                // Read after the deadline passed, with greetings that were sent before.
                sleep(Duration::from_millis(50)).await;
                let rest: Vec<_> = greetings.collect().await;
                assert!(rest.last().unwrap().is_err() && rest.len() <= 3, "{rest:?}");
            }
            assert!(finished.await.unwrap() < 5, "the work ends");
        }
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
