//! The attempts of one call.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use http::HeaderMap;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Response, Status};

use super::{
    CallError, Failure, GrpcChannel, Upstream,
    classify::{classify, reason},
    policy::{Next, Retries},
};
use crate::{
    backoff::Backoff,
    deadline::Deadline,
    faults::{Faults, Hits, Place},
    telemetry::GrpcSpan,
};

/// The pause between two attempts of what was not processed.
const RETRY: Backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(100));

/// The outcomes of retries by a policy.
pub(super) const RETRIED: &str = "made";
pub(super) const BUDGET_SPENT: &str = "budget_spent";

/// What the attempts of one call have in common.
pub(super) struct Attempts<'a> {
    pub(super) upstream: &'a Upstream,
    /// How long what was not processed is tried again.
    pub(super) connect_wait: Duration,
    /// The policy by which failures are tried again.
    pub(super) retries: Option<&'a Retries>,
    /// `None` where no fault can act.
    pub(super) faults: Option<&'a Faults>,
    pub(super) deadline: Deadline,
    pub(super) propagated: &'a HeaderMap,
    /// Whether the span names the faults of an attempt.
    pub(super) is_marked: AtomicBool,
}

impl Attempts<'_> {
    /// Calls `send` with the number of the attempt, counted from 0, until it succeeds or nothing is tried again.
    pub(super) async fn run<T, F>(
        &self,
        span: &mut GrpcSpan,
        mut send: impl FnMut(&GrpcSpan, GrpcChannel, u32) -> F,
    ) -> Result<Response<T>, CallError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let Some(retries) = self.retries else { return self.once(span, 0, &mut send).await };
        let mut pauses = retries.start();
        let mut number = 0;
        loop {
            let error = match self.once(span, number, &mut send).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let pause = match retries.next(&error, number, &mut pauses) {
                Next::Retry(pause) if pause < self.deadline.remaining() => pause,
                Next::Retry(_) | Next::GiveUp => return Err(error),
                Next::BudgetSpent => {
                    self.upstream.count_retry(BUDGET_SPENT);
                    return Err(error);
                }
            };
            self.upstream.count_retry(RETRIED);
            tracing::debug!(upstream = self.upstream.name(), %error, "failed; retrying");
            if span.span().is_recording() {
                let attributes = [("wait", &*format!("{pause:?}")), ("reason", error.status.message())];
                span.span_mut().event("failed; retrying", &attributes);
            }
            sleep(pause).await;
            number += 1;
        }
    }

    /// One attempt, which is repeated only while it was provably not processed.
    async fn once<T, F>(
        &self,
        span: &mut GrpcSpan,
        number: u32,
        send: &mut impl FnMut(&GrpcSpan, GrpcChannel, u32) -> F,
    ) -> Result<Response<T>, CallError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        // A timer that has expired still lets a response win that is there at once.
        if self.deadline.has_passed() {
            return Err(CallError::deadline_passed());
        }
        let place = Place::Call(self.upstream.name());
        let hits = self.faults.and_then(|faults| faults.on(&place, self.propagated, u64::from(number)));
        match hits {
            None => self.in_time(self.until_processed(span, self.upstream.channel(), number, send)).await,
            Some(hits) => self.injected(hits, span, number, send).await,
        }
    }

    /// An attempt that faults hit.
    async fn injected<T, F>(
        &self,
        mut hits: Hits,
        span: &mut GrpcSpan,
        number: u32,
        send: &mut impl FnMut(&GrpcSpan, GrpcChannel, u32) -> F,
    ) -> Result<Response<T>, CallError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        // An attribute is set once, and each attempt can be hit.
        if !self.is_marked.swap(true, Ordering::Relaxed) {
            hits.mark(span.span_mut());
        }
        hits.before(self.deadline).await.map_err(CallError::from_status)?;
        let channel = match hits.throttle(self.deadline) {
            Some(throttle) => self.upstream.channel().throttled(throttle),
            None => self.upstream.channel(),
        };
        let response = self.in_time(self.until_processed(span, channel, number, send)).await?;
        hits.after_call(Ok(response)).map_err(CallError::from_status)
    }

    async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<Response<T>, CallError> {
        match timeout_at(self.deadline.instant(), call).await {
            Ok(outcome) => outcome.map_err(CallError::from_status),
            Err(_) => Err(CallError::deadline_passed()),
        }
    }

    async fn until_processed<T, F>(
        &self,
        span: &mut GrpcSpan,
        channel: GrpcChannel,
        number: u32,
        send: &mut impl FnMut(&GrpcSpan, GrpcChannel, u32) -> F,
    ) -> Result<Response<T>, Status>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let give_up = Instant::now() + self.connect_wait;
        let mut backoff = RETRY;
        loop {
            let outcome = send(span, channel.clone(), number).await;
            self.upstream.log_response(&outcome);
            let status = match outcome {
                Ok(response) => return Ok(response),
                Err(status) => status,
            };
            let left = give_up.saturating_duration_since(Instant::now());
            if classify(&status) != Failure::NotProcessed || left.is_zero() {
                return Err(status);
            }
            // The last attempt starts when the wait expires, not up to a pause before.
            let pause = backoff.pause().min(left);
            tracing::debug!(upstream = self.upstream.name(), %status, "not processed; retrying");
            if span.span().is_recording() {
                let attributes = [("wait", &*format!("{pause:?}")), ("reason", &*reason(&status))];
                span.span_mut().event("not processed; retrying", &attributes);
            }
            sleep(pause).await;
        }
    }
}
