//! What earlier reports of a process add to the newest: restarts, and figures over a recent window.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use octet_runtime::admin::{AdminReport, Histogram};

/// The window of CPU use and store latency.
const WINDOW: Duration = Duration::from_mins(1);

/// The time between two reports that are kept.
const SPACING: Duration = Duration::from_secs(10);

/// Start times that differ by less are one start: the system computes them from clocks of different resolution.
const SAME_START: f64 = 2.0;

/// The reports of one process within the window.
#[derive(Debug, Default)]
pub(super) struct History {
    samples: VecDeque<(Instant, AdminReport)>,
    /// Restarts seen here.
    restarts: u64,
}

/// The newest figures, with what changed within the window.
#[derive(Debug)]
pub(super) struct Recent {
    pub(super) restarts: u64,
    /// Processors in use, on average.
    pub(super) cpu: Option<f64>,
    pub(super) inserts: Histogram,
    /// The window's length; that of the process's life if nothing earlier is known.
    pub(super) window: Option<Duration>,
}

impl History {
    /// Adds a report that was read at `at`, `now` in seconds since 1970.
    pub(super) fn add(&mut self, report: &AdminReport, at: Instant, now: f64) -> Recent {
        if self.samples.back().is_some_and(|(_, last)| has_restarted(last, report)) {
            self.samples.clear();
            self.restarts += 1;
        }
        while self.samples.len() > 1
            && self.samples.front().is_some_and(|(first, _)| at.duration_since(*first) > WINDOW)
        {
            self.samples.pop_front();
        }
        let base =
            self.samples.front().filter(|(first, _)| at.duration_since(*first) >= Duration::from_secs(1));
        let age = report.started.and_then(|started| Duration::try_from_secs_f64(now - started).ok());
        let window = base.map(|(first, _)| at.duration_since(*first)).or(age);
        let spent = report
            .cpu_seconds
            .map(|spent| spent - base.and_then(|(_, earlier)| earlier.cpu_seconds).unwrap_or_default());
        let recent = Recent {
            restarts: report.restarts.unwrap_or(self.restarts),
            cpu: spent.zip(window).map(|(spent, window)| (spent / window.as_secs_f64().max(0.001)).max(0.0)),
            inserts: match (&report.store, base.and_then(|(_, earlier)| earlier.store.as_ref())) {
                (Some(store), Some(earlier)) => store.inserts.since(&earlier.inserts),
                (Some(store), None) => store.inserts.clone(),
                (None, _) => Histogram::default(),
            },
            window,
        };
        if self.samples.back().is_none_or(|(last, _)| at.duration_since(*last) >= SPACING) {
            self.samples.push_back((at, report.clone()));
        }
        recent
    }

    /// The restarts that are known while the process does not respond.
    pub(super) fn restarts(&self) -> Option<u64> {
        let (_, last) = self.samples.back()?;
        Some(last.restarts.unwrap_or(self.restarts))
    }
}

fn has_restarted(last: &AdminReport, next: &AdminReport) -> bool {
    last.started.zip(next.started).is_some_and(|(last, next)| next - last > SAME_START)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(started: f64, cpu: f64) -> AdminReport {
        AdminReport {
            readiness: Ok(()),
            version: None,
            started: Some(started),
            restarts: None,
            cpu_seconds: Some(cpu),
            resident_bytes: None,
            store: None,
            queue: None,
        }
    }

    #[test]
    fn cpu_use_is_that_of_the_last_minute_and_at_first_that_of_the_whole_life() {
        let mut history = History::default();
        let start = Instant::now();
        let recent = history.add(&figures(1_000.0, 10.0), start, 1_100.0);
        assert_eq!((recent.cpu, recent.window), (Some(0.1), Some(Duration::from_secs(100))));
        let mut cpu = 10.0;
        for second in (5_u64..=200).step_by(5) {
            cpu += 2.5;
            let at = start + Duration::from_secs(second);
            let recent = history.add(&figures(1_000.0, cpu), at, 1_100.0);
            assert_eq!(recent.cpu, Some(0.5), "after {second} s");
            assert!(recent.window.is_some_and(|window| window <= WINDOW), "{recent:?}");
        }
        assert!(history.samples.len() <= 7, "{}", history.samples.len());
    }

    #[test]
    fn a_later_start_is_a_restart_and_begins_a_new_window() {
        let mut history = History::default();
        let start = Instant::now();
        history.add(&figures(1_000.0, 50.0), start, 1_100.0);
        let recent = history.add(&figures(1_104.0, 1.0), start + Duration::from_secs(5), 1_106.0);
        assert_eq!((recent.restarts, recent.cpu), (1, Some(0.5)));
        let recent = history.add(&figures(1_104.5, 1.0), start + Duration::from_secs(9), 1_110.0);
        assert_eq!(recent.restarts, 1, "the same start, less exactly");
        assert_eq!(history.restarts(), Some(1));
    }

    #[test]
    fn the_count_of_octet_up_wins() {
        let mut history = History::default();
        let reported = AdminReport { restarts: Some(4), ..figures(1_000.0, 1.0) };
        assert_eq!(history.add(&reported, Instant::now(), 1_001.0).restarts, 4);
        assert_eq!(history.restarts(), Some(4));
    }
}
