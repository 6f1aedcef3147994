//! The drain of a process, in order: readiness fails, a pause lets callers notice, listeners close, and calls in flight
//! finish within a grace period. A second signal stops the process immediately.

use std::{io, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{oneshot, watch},
};

use crate::{environment::Environment, lifeline};

/// The durations of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainSettings {
    /// Between failing readiness and closing the listeners: time for load balancers to choose another target.
    pub pause: Duration,
    /// For calls in flight, once the listeners are closed.
    pub grace: Duration,
    /// Whether the end of standard input starts the drain, too.
    pub lifeline: bool,
}

impl DrainSettings {
    /// Reads `DRAIN_PAUSE` (500 ms), `DRAIN_GRACE` (10 s) and the runner's lifeline.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        Self {
            pause: environment.duration("DRAIN_PAUSE", Duration::from_millis(500), Duration::from_mins(5)),
            grace: environment.duration("DRAIN_GRACE", Duration::from_secs(10), Duration::from_hours(1)),
            lifeline: environment.or(lifeline::VARIABLE, "stdin", false, |text| match text {
                "stdin" => Ok(true),
                _ => Err(()),
            }),
        }
    }
}

/// The stage of the drain. Later stages are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    Unready,
    Closing,
    Forced,
}

/// Observes the drain of a process. Clones observe the same one.
#[derive(Debug, Clone)]
pub struct Drain {
    stage: watch::Receiver<Stage>,
}

/// Starts a drain from inside the process, as tests do.
#[derive(Debug)]
pub struct DrainTrigger {
    start: oneshot::Sender<()>,
}

impl DrainTrigger {
    /// Starts the drain, as a first SIGTERM does.
    pub fn start(self) {
        // The receiver is gone when the drain has started already.
        let _ = self.start.send(());
    }
}

impl Drain {
    /// Watches SIGTERM, Ctrl-C and, if so set, the lifeline.
    ///
    /// # Errors
    /// When the system refuses a signal handler.
    pub fn on_signals(settings: DrainSettings) -> io::Result<Self> {
        let mut signals = Signals::install()?;
        let (stage, watched) = watch::channel(Stage::Serving);
        tokio::spawn(async move {
            let why = if settings.lifeline {
                tokio::select! {
                    name = signals.next() => name,
                    _ = lifeline::ended() => "lifeline closed",
                }
            } else {
                signals.next().await
            };
            tracing::info!(why, "draining");
            tokio::select! {
                () = advance(&stage, settings.pause) => {}
                name = signals.next() => {
                    tracing::warn!(why = name, "second signal; stopping immediately");
                    stage.send_replace(Stage::Forced);
                }
            }
        });
        Ok(Self { stage: watched })
    }

    /// A drain that the trigger starts.
    pub fn on_trigger(pause: Duration) -> (DrainTrigger, Self) {
        let (stage, watched) = watch::channel(Stage::Serving);
        let (start, started) = oneshot::channel();
        tokio::spawn(async move {
            // A dropped trigger never starts the drain.
            if started.await.is_ok() {
                advance(&stage, pause).await;
            } else {
                stage.closed().await;
            }
        });
        (DrainTrigger { start }, Self { stage: watched })
    }

    /// A drain that never starts.
    pub fn never() -> Self {
        Self { stage: watch::channel(Stage::Serving).1 }
    }

    /// Whether the drain has started: readiness fails.
    pub fn has_started(&self) -> bool {
        *self.stage.borrow() > Stage::Serving
    }

    /// Resolves when the drain has started.
    pub async fn started(&self) {
        self.reached(Stage::Unready).await;
    }

    /// Resolves when listeners close and no new work is accepted.
    pub async fn closing(&self) {
        self.reached(Stage::Closing).await;
    }

    /// Resolves when the process stops without waiting for calls in flight.
    pub async fn forced(&self) {
        self.reached(Stage::Forced).await;
    }

    async fn reached(&self, wanted: Stage) {
        let mut stage = self.stage.clone();
        if stage.wait_for(|stage| *stage >= wanted).await.is_err() {
            // Nothing can start the drain any more: see `never`; or the runtime is shutting down.
            std::future::pending::<()>().await;
        }
    }
}

/// Advances through the stages, then keeps the last one while it is observed.
async fn advance(stage: &watch::Sender<Stage>, pause: Duration) {
    stage.send_replace(Stage::Unready);
    tokio::time::sleep(pause).await;
    stage.send_replace(Stage::Closing);
    stage.closed().await;
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn install() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn readiness_fails_a_pause_before_the_listeners_close() {
        let (trigger, drain) = Drain::on_trigger(Duration::from_secs(7));
        assert!(!drain.has_started());

        let started = tokio::time::Instant::now();
        trigger.start();
        drain.started().await;
        assert!(drain.has_started());
        assert!(started.elapsed() < Duration::from_secs(1));
        drain.closing().await;
        assert!(started.elapsed() >= Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_trigger_does_not_start_a_drain() {
        let (trigger, drain) = Drain::on_trigger(Duration::ZERO);
        drop(trigger);
        assert!(tokio::time::timeout(Duration::from_mins(1), drain.started()).await.is_err());
    }
}
