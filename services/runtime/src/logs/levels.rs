//! The filter that is in force, which may be changed for a while.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, SystemTime},
};

use tokio::{task::AbortHandle, time::sleep};
use tracing::{Metadata, level_filters::LevelFilter, subscriber::Interest};
use tracing_core::callsite::rebuild_interest_cache;
use tracing_subscriber::layer::{Context, Filter};

use super::filter::LogFilter;

/// The log levels of a process. Clones speak of the same.
///
/// A call of a logging macro asks once whether it is wanted, and remembers the answer until the filter changes: that
/// it can be changed costs a request nothing.
#[derive(Clone)]
pub struct LogLevels {
    configured: LogFilter,
    state: Arc<RwLock<State>>,
}

/// Which filter is in force, and for how long.
#[derive(Debug, Clone)]
pub struct InForce {
    /// The filter.
    pub filter: LogFilter,
    /// Since when.
    pub since: SystemTime,
    /// When the configured one returns; `None` where it is the configured one.
    pub until: Option<SystemTime>,
}

struct State {
    in_force: InForce,
    /// Grows with each change, so that an expiry knows whether it is still wanted.
    change: u64,
    expiry: Option<AbortHandle>,
}

impl LogLevels {
    pub(super) fn new(configured: LogFilter) -> Self {
        let state = State { in_force: InForce::configured(&configured), change: 0, expiry: None };
        Self { configured, state: Arc::new(RwLock::new(state)) }
    }

    /// The filter of `LOG_LEVEL`.
    pub fn configured(&self) -> &LogFilter {
        &self.configured
    }

    /// What is in force now.
    pub fn in_force(&self) -> InForce {
        self.read().in_force.clone()
    }

    /// Puts `filter` in force for so long; then the configured one returns by itself. A later change takes the place of
    /// this one and of its end.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn change(&self, filter: LogFilter, lasting: Duration) {
        let now = SystemTime::now();
        let mut state = self.write();
        state.replace(InForce { filter, since: now, until: now.checked_add(lasting) });
        let change = state.change;
        let levels = self.clone();
        let expiry = tokio::spawn(async move {
            sleep(lasting).await;
            levels.expire(change);
        });
        state.expiry = Some(expiry.abort_handle());
        drop(state);
        rebuild_interest_cache();
    }

    /// Puts the configured filter in force.
    pub fn restore(&self) {
        self.write().replace(InForce::configured(&self.configured));
        rebuild_interest_cache();
    }

    fn expire(&self, change: u64) {
        let mut state = self.write();
        if state.change != change {
            return;
        }
        // Not aborted by its own end, before it has said so.
        state.expiry = None;
        state.replace(InForce::configured(&self.configured));
        drop(state);
        rebuild_interest_cache();
        tracing::info!(filter = self.configured.text(), "the log level's time is over: back to LOG_LEVEL's");
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LogLevels {
    /// The settings; what is in force changes with time.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("LogLevels").field(&self.configured).finish()
    }
}

impl State {
    fn replace(&mut self, in_force: InForce) {
        if let Some(expiry) = self.expiry.take() {
            expiry.abort();
        }
        self.in_force = in_force;
        self.change += 1;
    }
}

impl InForce {
    fn configured(filter: &LogFilter) -> Self {
        Self { filter: filter.clone(), since: SystemTime::now(), until: None }
    }
}

impl<S> Filter<S> for LogLevels {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        Filter::enabled(self.read().in_force.filter.targets(), metadata, context)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        Filter::<S>::callsite_enabled(self.read().in_force.filter.targets(), metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<S>::max_level_hint(self.read().in_force.filter.targets())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debug() -> LogFilter {
        LogFilter::parse("debug").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_ends_by_itself() {
        let levels = LogLevels::new(LogFilter::default());
        levels.change(debug(), Duration::from_mins(10));
        let in_force = levels.in_force();
        assert_eq!(in_force.filter, debug());
        assert_eq!(in_force.until, in_force.since.checked_add(Duration::from_mins(10)));
        sleep(Duration::from_secs(599)).await;
        assert_eq!(levels.in_force().filter, debug());
        sleep(Duration::from_secs(2)).await;
        assert_eq!(levels.in_force().filter, LogFilter::default());
        assert_eq!(levels.in_force().until, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_change_has_its_own_end() {
        let levels = LogLevels::new(LogFilter::default());
        levels.change(debug(), Duration::from_secs(1));
        levels.change(debug(), Duration::from_secs(3));
        sleep(Duration::from_secs(2)).await;
        assert_eq!(levels.in_force().filter, debug());
        sleep(Duration::from_secs(2)).await;
        assert_eq!(levels.in_force().filter, LogFilter::default());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_taken_back_does_not_end_a_later_change() {
        let levels = LogLevels::new(LogFilter::default());
        levels.change(debug(), Duration::from_secs(1));
        levels.restore();
        assert_eq!(levels.in_force().filter, LogFilter::default());
        levels.change(debug(), Duration::from_secs(5));
        sleep(Duration::from_secs(2)).await;
        assert_eq!(levels.in_force().filter, debug());
    }
}
