//! The faults that hit one call, and their effects on it.

use std::{sync::Arc, time::Duration};

use octet_fault::{Draw, Effect, duration_text};
use tonic::{Code, Status};

use super::{
    Faults,
    body::{Reset, Throttle},
    effects::{Held, burn, hold},
    set::Armed,
};
use crate::{deadline::Deadline, telemetry::Span};

/// Where a call meets faults.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// In the process that serves it.
    Service,
    /// On its way to this upstream.
    Call(&'a str),
    /// Between the service and its store.
    Store,
    /// Between the service and the queue that it publishes to.
    Queue,
}

/// A fault that hits a call.
pub(super) struct Hit {
    armed: Arc<Armed>,
    /// For the values of its effect.
    draw: Draw,
}

/// The faults that hit one call. They count as active until this is dropped.
#[must_use = "hits act when they are asked"]
pub struct Hits {
    faults: Faults,
    all: Vec<Hit>,
    held: Vec<Held>,
}

impl Hit {
    /// `None` where the fault acts on as many calls as it may.
    pub(super) fn new(armed: &Arc<Armed>, draw: Draw) -> Option<Self> {
        armed.take().then(|| Self { armed: armed.clone(), draw: draw.number(1) })
    }

    fn is_blind(&self) -> bool {
        self.armed.fault.is_blind()
    }

    /// The message of a failure that it causes.
    fn message(&self, code: Code, what: &str) -> String {
        if self.is_blind() { blind_message(code).to_owned() } else { format!("injected: {what}") }
    }

    fn status(&self, number: i32, what: &str) -> Status {
        let code = Code::from(number);
        Status::new(code, self.message(code, what))
    }
}

impl Drop for Hit {
    fn drop(&mut self) {
        self.armed.give_back();
    }
}

impl Hits {
    pub(super) fn new(faults: Faults, hits: Vec<Hit>) -> Self {
        Self { faults, all: hits, held: Vec::new() }
    }

    /// Marks the span of the call with the faults that hit it.
    pub fn mark(&self, span: &mut Span) {
        if span.is_recording() {
            let shown = self.all.iter().filter(|hit| !hit.is_blind()).map(|hit| hit.armed.fault.to_string());
            let shown: Vec<_> = shown.collect();
            if !shown.is_empty() {
                span.set("octet.fault", &shown.join("; "));
            }
        }
    }

    /// Whether the call fails at once, before anything else.
    pub fn aborts(&self) -> bool {
        self.all.first().is_some_and(|hit| matches!(hit.armed.fault.effect(), Effect::Abort(_)))
    }

    /// Whether the stream is to be reset once the work is done.
    pub fn resets(&self) -> bool {
        self.all.iter().any(|hit| matches!(hit.armed.fault.effect(), Effect::Reset))
    }

    /// What acts before the work. An error is the call's outcome, instead of any work.
    ///
    /// # Errors
    /// The injected failure.
    pub async fn before(&mut self, deadline: Deadline) -> Result<(), Status> {
        let Self { faults, all, held } = self;
        for hit in all.iter() {
            match *hit.armed.fault.effect() {
                Effect::Delay(spread) => {
                    let delay = hit.draw.value(spread);
                    faults.acted(hit);
                    let what = format!("the deadline passed during a delay of {}", duration_text(delay));
                    wait(hit, delay, deadline, &what).await?;
                }
                Effect::Abort(code) => {
                    faults.acted(hit);
                    return Err(hit.status(code.number(), code.name()));
                }
                Effect::Drop => {
                    faults.acted(hit);
                    wait(hit, Duration::MAX, deadline, "no answer until the deadline").await?;
                }
                Effect::Stall(spread) => {
                    faults.acted(hit);
                    stall(hit.draw.value(spread));
                }
                Effect::Cpu(spread) => {
                    faults.acted(hit);
                    burn(hit.draw.value(spread)).await;
                }
                Effect::Memory(spread) => {
                    faults.acted(hit);
                    held.extend(hold(hit.draw.value(spread).get()));
                }
                Effect::Crash => {
                    faults.acted(hit);
                    if !hit.is_blind() {
                        // Written immediately, as every error is.
                        tracing::error!(fault = %hit.armed.fault, "injected: crash");
                    }
                    crash();
                }
                Effect::Lose(_)
                | Effect::Reset
                | Effect::Throttle(_)
                | Effect::Unready
                | Effect::Duplicate => {}
            }
        }
        Ok(())
    }

    /// What acts once the work is done. A failed call keeps its own failure.
    ///
    /// # Errors
    /// The injected failure, or the call's own.
    pub fn after<T>(&self, outcome: Result<T, Status>) -> Result<T, Status> {
        let outcome = outcome?;
        for hit in &self.all {
            match *hit.armed.fault.effect() {
                Effect::Lose(code) => {
                    self.faults.acted(hit);
                    return Err(
                        hit.status(code.number(), &format!("{}, after the work was done", code.name()))
                    );
                }
                Effect::Reset => {
                    self.faults.acted(hit);
                    return Err(Status::from_error(Box::new(Reset)));
                }
                _ => {}
            }
        }
        Ok(outcome)
    }

    /// As [`after`](Self::after), in the caller: a reset stream is a lost connection.
    ///
    /// # Errors
    /// As [`after`](Self::after).
    pub fn after_call<T>(&self, outcome: Result<T, Status>) -> Result<T, Status> {
        self.after(outcome).map_err(|status| match self.all.iter().find(|_| super::is_reset(&status)) {
            Some(hit) => hit.status(i32::from(Code::Unavailable), "connection lost: stream reset"),
            None => status,
        })
    }

    /// The rate at which the response trickles.
    pub fn throttle(&self, deadline: Deadline) -> Option<Throttle> {
        self.all.iter().find_map(|hit| match hit.armed.fault.effect() {
            Effect::Throttle(rate) => {
                self.faults.acted(hit);
                Some(Throttle { rate: rate.get(), deadline: deadline.instant().into_std() })
            }
            _ => None,
        })
    }

    /// Whether the message is published twice.
    pub fn duplicates(&self) -> bool {
        let twice = self.all.iter().find(|hit| hit.armed.fault.effect() == &Effect::Duplicate);
        twice.inspect(|hit| self.faults.acted(hit)).is_some()
    }
}

impl Faults {
    /// Notes that a fault acted, where everybody looks unless it is blind.
    fn acted(&self, hit: &Hit) {
        hit.armed.note();
        if !hit.is_blind() {
            self.count(&hit.armed);
            tracing::debug!(fault = %hit.armed.fault, source = hit.armed.source.as_str(), "fault acted");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the fault is that the process's one thread does nothing else")]
fn stall(time: Duration) {
    std::thread::sleep(time);
}

#[expect(clippy::disallowed_methods, reason = "the fault is an exit without drain and flush")]
fn crash() -> ! {
    std::process::exit(CRASHED)
}

/// The exit status of a process that a fault ends: an internal error, by BSD's sysexits.
const CRASHED: i32 = 70;

/// Waits for `delay`, or until the deadline, which fails the call.
async fn wait(hit: &Hit, delay: Duration, deadline: Deadline, what: &str) -> Result<(), Status> {
    let remaining = deadline.remaining();
    if delay < remaining {
        tokio::time::sleep(delay).await;
        return Ok(());
    }
    tokio::time::sleep(remaining).await;
    Err(hit.status(i32::from(Code::DeadlineExceeded), what))
}

/// What a service that fails by itself could say.
fn blind_message(code: Code) -> &'static str {
    match code {
        Code::Unavailable => "unavailable",
        Code::DeadlineExceeded => crate::failure_path::DEADLINE_PASSED,
        Code::ResourceExhausted => "overloaded; try again later",
        Code::Internal => "internal error",
        Code::NotFound => "not found",
        Code::PermissionDenied => "permission denied",
        Code::Unauthenticated => "unauthenticated",
        Code::Aborted => "aborted",
        Code::Cancelled => "cancelled",
        Code::DataLoss => "data loss",
        _ => "failed",
    }
}
