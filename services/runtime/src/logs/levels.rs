//! The active filter, which may be changed temporarily.

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

/// The log levels of a process. Clones share them.
///
/// Each call site caches whether it is enabled until the filter changes, so that a changeable filter costs a request nothing.
#[derive(Clone)]
pub struct LogLevels {
    configured: LogFilter,
    state: Arc<RwLock<State>>,
}

/// The active filter, and how long it stays active.
#[derive(Debug, Clone)]
pub struct ActiveFilter {
    /// The filter.
    pub filter: LogFilter,
    /// Since when.
    pub since: SystemTime,
    /// When the configured filter returns; `None` where it is the configured one.
    pub until: Option<SystemTime>,
}

struct State {
    active: ActiveFilter,
    /// Counts the changes, so that an expiry applies only to its own.
    change: u64,
    expiry: Option<AbortHandle>,
}

impl LogLevels {
    pub(super) fn new(configured: LogFilter) -> Self {
        let state = State { active: ActiveFilter::configured(&configured), change: 0, expiry: None };
        Self { configured, state: Arc::new(RwLock::new(state)) }
    }

    /// The filter of `LOG_LEVEL`.
    pub fn configured(&self) -> &LogFilter {
        &self.configured
    }

    /// The active filter.
    pub fn active(&self) -> ActiveFilter {
        self.read().active.clone()
    }

    /// Activates `filter` for the duration `lasting`; then the configured filter returns. A later change replaces this one
    /// and its expiry.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn change(&self, filter: LogFilter, lasting: Duration) {
        let now = SystemTime::now();
        let mut state = self.write();
        state.replace(ActiveFilter { filter, since: now, until: now.checked_add(lasting) });
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

    /// Activates the configured filter.
    pub fn restore(&self) {
        self.write().replace(ActiveFilter::configured(&self.configured));
        rebuild_interest_cache();
    }

    fn expire(&self, change: u64) {
        let mut state = self.write();
        if state.change != change {
            return;
        }
        // This task must not abort itself before it has logged.
        state.expiry = None;
        state.replace(ActiveFilter::configured(&self.configured));
        drop(state);
        rebuild_interest_cache();
        tracing::info!(filter = self.configured.text(), "temporary log level expired; LOG_LEVEL restored");
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LogLevels {
    /// The settings, not the active filter, which changes over time.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("LogLevels").field(&self.configured).finish()
    }
}

impl State {
    fn replace(&mut self, active: ActiveFilter) {
        if let Some(expiry) = self.expiry.take() {
            expiry.abort();
        }
        self.active = active;
        self.change += 1;
    }
}

impl ActiveFilter {
    fn configured(filter: &LogFilter) -> Self {
        Self { filter: filter.clone(), since: SystemTime::now(), until: None }
    }
}

impl<S> Filter<S> for LogLevels {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        Filter::enabled(self.read().active.filter.targets(), metadata, context)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        Filter::<S>::callsite_enabled(self.read().active.filter.targets(), metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<S>::max_level_hint(self.read().active.filter.targets())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debug() -> LogFilter {
        LogFilter::parse("debug").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_expires() {
        let levels = LogLevels::new(LogFilter::default());
        levels.change(debug(), Duration::from_mins(10));
        let active = levels.active();
        assert_eq!(active.filter, debug());
        assert_eq!(active.until, active.since.checked_add(Duration::from_mins(10)));
        sleep(Duration::from_secs(599)).await;
        assert_eq!(levels.active().filter, debug());
        sleep(Duration::from_secs(2)).await;
        assert_eq!(levels.active().filter, LogFilter::default());
        assert_eq!(levels.active().until, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_change_has_its_own_expiry() {
        let levels = LogLevels::new(LogFilter::default());
        levels.change(debug(), Duration::from_secs(1));
        levels.change(debug(), Duration::from_secs(3));
        sleep(Duration::from_secs(2)).await;
        assert_eq!(levels.active().filter, debug());
        sleep(Duration::from_secs(2)).await;
        assert_eq!(levels.active().filter, LogFilter::default());
    }

    #[tokio::test(start_paused = true)]
    async fn a_restored_change_does_not_expire_a_later_one() {
        let levels = LogLevels::new(LogFilter::default());
        levels.change(debug(), Duration::from_secs(1));
        levels.restore();
        assert_eq!(levels.active().filter, LogFilter::default());
        levels.change(debug(), Duration::from_secs(5));
        sleep(Duration::from_secs(2)).await;
        assert_eq!(levels.active().filter, debug());
    }
}
