//! The end of a process, in order: readiness fails, a short pause lets the callers notice, listeners close,
//! calls in flight finish under a grace period. A second signal ends at once.

use std::{io, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{oneshot, watch},
};

use crate::{environment::Environment, lifeline};

/// How long each step may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainSettings {
    /// Between failing readiness and closing the listeners: time for load balancers to look elsewhere.
    pub pause: Duration,
    /// For the calls in flight, once the listeners are closed.
    pub grace: Duration,
    /// Whether the end of standard input asks for the end, too.
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

/// How far the end has come. Later stages are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    Unready,
    Closing,
    Forced,
}

/// What a part of the process watches to learn that the end has begun. Clones watch the same end.
#[derive(Debug, Clone)]
pub struct Drain {
    stage: watch::Receiver<Stage>,
}

/// Begins the end from inside: tests do, and a part of the process that cannot go on.
#[derive(Debug)]
pub struct DrainTrigger {
    begin: oneshot::Sender<()>,
}

impl DrainTrigger {
    /// As a first SIGTERM would.
    pub fn begin(self) {
        // Nobody listens any more when the end has begun already.
        let _ = self.begin.send(());
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
                    _ = lifeline::ended() => "the end of the lifeline",
                }
            } else {
                signals.next().await
            };
            tracing::info!(why, "draining");
            tokio::select! {
                () = advance(&stage, settings.pause) => {}
                name = signals.next() => {
                    tracing::warn!(why = name, "ending at once");
                    stage.send_replace(Stage::Forced);
                }
            }
        });
        Ok(Self { stage: watched })
    }

    /// An end that begins when the trigger says so.
    pub fn on_trigger(pause: Duration) -> (DrainTrigger, Self) {
        let (stage, watched) = watch::channel(Stage::Serving);
        let (begin, asked) = oneshot::channel();
        tokio::spawn(async move {
            // A trigger that was dropped never began: the process serves on.
            if asked.await.is_ok() {
                advance(&stage, pause).await;
            } else {
                stage.closed().await;
            }
        });
        (DrainTrigger { begin }, Self { stage: watched })
    }

    /// An end that never begins.
    pub fn never() -> Self {
        Self { stage: watch::channel(Stage::Serving).1 }
    }

    /// Whether the end has begun: readiness fails.
    pub fn has_begun(&self) -> bool {
        *self.stage.borrow() > Stage::Serving
    }

    /// Resolves when the end has begun.
    pub async fn begun(&self) {
        self.reached(Stage::Unready).await;
    }

    /// Resolves when listeners close and nothing new is taken.
    pub async fn closing(&self) {
        self.reached(Stage::Closing).await;
    }

    /// Resolves when nothing is waited for any more.
    pub async fn forced(&self) {
        self.reached(Stage::Forced).await;
    }

    async fn reached(&self, wanted: Stage) {
        let mut stage = self.stage.clone();
        if stage.wait_for(|stage| *stage >= wanted).await.is_err() {
            // Nobody is left who could begin it: see `never`; or the runtime is about to end.
            std::future::pending::<()>().await;
        }
    }
}

/// Goes through the stages, then keeps the last one for as long as someone watches.
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
        assert!(!drain.has_begun());

        let asked = tokio::time::Instant::now();
        trigger.begin();
        drain.begun().await;
        assert!(drain.has_begun());
        assert!(asked.elapsed() < Duration::from_secs(1));
        drain.closing().await;
        assert!(asked.elapsed() >= Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_trigger_does_not_end_anything() {
        let (trigger, drain) = Drain::on_trigger(Duration::ZERO);
        drop(trigger);
        assert!(tokio::time::timeout(Duration::from_mins(1), drain.begun()).await.is_err());
    }
}
