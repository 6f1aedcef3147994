//! The calls that a service works on at once: `limit` in the topology.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use octet_runtime::metrics::{IntCounterVec, IntGaugeVec, Metrics};
use octet_topology::Limit;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

const NO_LABELS: &[&str] = &[];

/// Turns for calls: some are worked on, some wait, the others are refused.
pub(crate) struct Limiter {
    limit: Limit,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    working_gauge: IntGaugeVec,
    waiting_gauge: IntGaugeVec,
    refused: IntCounterVec,
}

/// A call that is worked on, until it is dropped.
pub(crate) struct Turn {
    limiter: Arc<Limiter>,
    _permit: OwnedSemaphorePermit,
}

/// A call that waits, until it is dropped.
struct Waiting<'a> {
    limiter: &'a Limiter,
    flag: &'a AtomicBool,
}

impl Limiter {
    pub(crate) fn new(limit: Limit, metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let gauge = |name, help| {
            let gauge = metrics.gauge(name, help, NO_LABELS)?;
            gauge.with_label_values(NO_LABELS).set(0);
            Ok::<_, prometheus::Error>(gauge)
        };
        let refused =
            metrics.counter("octet_limit_refused_total", "Calls beyond the service's limit", NO_LABELS)?;
        refused.with_label_values(NO_LABELS);
        Ok(Self {
            limit,
            turns: Arc::new(Semaphore::new(limit.concurrent)),
            waiting: AtomicUsize::new(0),
            working_gauge: gauge("octet_limit_working", "Calls that the service works on, within its limit")?,
            waiting_gauge: gauge("octet_limit_waiting", "Calls that wait for their turn")?,
            refused,
        })
    }

    /// The next turn, in the order of arrival. `flag` is set while the call waits.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when as many calls wait as may.
    pub(crate) async fn turn(self: &Arc<Self>, flag: &AtomicBool) -> Result<Turn, Status> {
        let permit = match self.turns.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait(flag).await?,
        };
        self.working_gauge.with_label_values(NO_LABELS).inc();
        Ok(Turn { limiter: self.clone(), _permit: permit })
    }

    async fn wait(&self, flag: &AtomicBool) -> Result<OwnedSemaphorePermit, Status> {
        let Limit { concurrent, queue } = self.limit;
        let more = |waiting: usize| (waiting < queue).then_some(waiting + 1);
        if self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            self.refused.with_label_values(NO_LABELS).inc();
            return Err(Status::resource_exhausted(format!(
                "overloaded: the service works on {concurrent} calls, and {queue} wait; try again later"
            )));
        }
        self.waiting_gauge.with_label_values(NO_LABELS).inc();
        flag.store(true, Ordering::Relaxed);
        let _waiting = Waiting { limiter: self, flag };
        // The semaphore is never closed.
        self.turns.clone().acquire_owned().await.map_err(|_| Status::internal("the limit is closed"))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.flag.store(false, Ordering::Relaxed);
        self.limiter.waiting.fetch_sub(1, Ordering::Relaxed);
        self.limiter.waiting_gauge.with_label_values(NO_LABELS).dec();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.limiter.working_gauge.with_label_values(NO_LABELS).dec();
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn limiter(concurrent: usize, queue: usize) -> Arc<Limiter> {
        Arc::new(Limiter::new(Limit { concurrent, queue }, &Metrics::new("service-a").unwrap()).unwrap())
    }

    #[tokio::test]
    async fn a_call_beyond_the_limit_waits_and_one_beyond_the_queue_is_refused() {
        let limiter = limiter(1, 1);
        let (flag, other) = (AtomicBool::new(false), AtomicBool::new(false));
        let first = limiter.turn(&flag).await.ok().unwrap();
        let mut second = std::pin::pin!(limiter.turn(&flag));
        assert!(futures_util::poll!(&mut second).is_pending());
        assert!(flag.load(Ordering::Relaxed));
        let refused = limiter.turn(&other).await.err().unwrap();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.message().starts_with("overloaded: the service works on 1 calls, and 1 wait"));
        drop(first);
        assert!(second.await.is_ok());
        assert!(!flag.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn a_caller_that_leaves_the_queue_frees_its_place() {
        let limiter = limiter(1, 1);
        let flag = AtomicBool::new(false);
        let _first = limiter.turn(&flag).await.ok().unwrap();
        for _ in 0..3 {
            let mut waiting = Box::pin(limiter.turn(&flag));
            assert!(futures_util::poll!(&mut waiting).is_pending());
        }
        assert_eq!(limiter.waiting.load(Ordering::Relaxed), 0);
        assert_eq!(limiter.waiting_gauge.with_label_values(NO_LABELS).get(), 0);
    }
}
