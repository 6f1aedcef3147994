//! The attempts of one call.

use std::{net::SocketAddr, time::Duration};

use http::HeaderMap;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Response, Status};

use super::{
    CallError, Failure, GrpcChannel, Upstream,
    call::Connections,
    classify::{classify, reason},
    policy::{Next, Retries},
    trial::Trial,
};
use crate::{
    backoff::Backoff,
    deadline::Deadline,
    faults::{Faults, Hits, Place, Throttle},
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
    pub(super) is_marked: bool,
    /// The addresses that the call was sent to, where there are several: the next attempt goes elsewhere.
    pub(super) tried: Vec<SocketAddr>,
    /// The newest attempt at one of them.
    pub(super) trial: Option<Trial>,
}

impl Attempts<'_> {
    /// Calls `send` with the number of the attempt, counted from 0, until it succeeds or nothing is tried again.
    pub(super) async fn run<T, F>(
        &mut self,
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
        &mut self,
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
            None => in_time(self.deadline, self.until_processed(span, None, number, send)).await,
            Some(hits) => self.injected(hits, span, number, send).await,
        }
    }

    /// An attempt that faults hit.
    async fn injected<T, F>(
        &mut self,
        mut hits: Hits,
        span: &mut GrpcSpan,
        number: u32,
        send: &mut impl FnMut(&GrpcSpan, GrpcChannel, u32) -> F,
    ) -> Result<Response<T>, CallError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        // An attribute is set once, and each attempt can be hit.
        if !std::mem::replace(&mut self.is_marked, true) {
            hits.mark(span.span_mut());
        }
        hits.before(self.deadline).await.map_err(CallError::from_status)?;
        let throttle = hits.throttle(self.deadline);
        let response = in_time(self.deadline, self.until_processed(span, throttle, number, send)).await?;
        hits.after_call(Ok(response)).map_err(CallError::from_status)
    }

    async fn until_processed<T, F>(
        &mut self,
        span: &mut GrpcSpan,
        throttle: Option<Throttle>,
        number: u32,
        send: &mut impl FnMut(&GrpcSpan, GrpcChannel, u32) -> F,
    ) -> Result<Response<T>, Status>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let give_up = Instant::now() + self.connect_wait;
        let mut backoff = RETRY;
        let mut refused = self.tried.clone();
        loop {
            let outcome = match self.channel(&refused).await {
                Ok(channel) => {
                    let channel = match throttle {
                        Some(throttle) => channel.throttled(throttle),
                        None => channel,
                    };
                    send(span, channel, number).await
                }
                Err(unresolved) => Err(unresolved),
            };
            self.upstream.log_response(&outcome);
            let status = match outcome {
                Ok(response) => return Ok(response),
                Err(status) => status,
            };
            let tried = self.failed(&status);
            refused.extend(tried);
            // Another address may serve it at once, however long this one took, unless the call cannot be repeated.
            let is_refused_by_one =
                tried.is_some() && !self.connect_wait.is_zero() && self.has_another(&refused);
            let left = give_up.saturating_duration_since(Instant::now());
            if classify(&status) != Failure::NotProcessed || left.is_zero() && !is_refused_by_one {
                self.tried.extend(tried);
                return Err(status);
            }
            // The last attempt starts when the wait expires, not up to a pause before.
            let pause = if is_refused_by_one { Duration::ZERO } else { backoff.pause().min(left) };
            tracing::debug!(upstream = self.upstream.name(), %status, "not processed; retrying");
            if span.span().is_recording() {
                let attributes = [("wait", &*format!("{pause:?}")), ("reason", &*reason(&status))];
                span.span_mut().event("not processed; retrying", &attributes);
            }
            if !is_refused_by_one {
                refused.clone_from(&self.tried);
                sleep(pause).await;
            }
        }
    }

    /// The connection for the next attempt.
    async fn channel(&mut self, tried: &[SocketAddr]) -> Result<GrpcChannel, Status> {
        match self.upstream.connections() {
            Connections::One(channel) => Ok(channel.clone()),
            Connections::Several(pool) => {
                // The one before has ended.
                self.trial = None;
                let trial = pool.start(self.upstream.balance(), tried, self.deadline).await?;
                Ok(self.trial.insert(trial).channel())
            }
        }
    }

    /// Notes the failure at its address, which it returns.
    fn failed(&mut self, status: &Status) -> Option<SocketAddr> {
        let mut trial = self.trial.take()?;
        trial.note(Err(status));
        Some(trial.address())
    }

    fn has_another(&self, tried: &[SocketAddr]) -> bool {
        match self.upstream.connections() {
            Connections::One(_) => false,
            Connections::Several(pool) => pool.has_another(tried),
        }
    }
}

async fn in_time<T>(
    deadline: Deadline,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<Response<T>, CallError> {
    match timeout_at(deadline.instant(), call).await {
        Ok(Err(status)) if is_its_deadline(&status, deadline) => Err(CallError::deadline_passed()),
        Ok(outcome) => outcome.map_err(CallError::from_status),
        Err(_) => Err(CallError::deadline_passed()),
    }
}

/// Whether the upstream cancelled the call because of the same deadline, which it counts too: servers such as tonic's answer
/// CANCELLED then, about when the caller's own timer expires.
fn is_its_deadline(status: &Status, deadline: Deadline) -> bool {
    const TIMERS_DIFFER: Duration = Duration::from_millis(10);
    status.code() == Code::Cancelled
        && classify(status) == Failure::Answered
        && deadline.remaining() < TIMERS_DIFFER
}
