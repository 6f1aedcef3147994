//! Recognizes reports that were received before: a reporter that gets no answer sends its report again.

use std::collections::{HashSet, VecDeque};

/// The number of reports that are remembered: at peak load those of half a minute and more.
const REMEMBERED: usize = 4_096;

/// The last reports, each by a keyed hash of its bytes; reporters do not know the key.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Repeats {
    pub(super) fn contains(&self, report: u64) -> bool {
        self.known.contains(&report)
    }

    /// Remembers a report whose spans were all read, and forgets the oldest.
    pub(super) fn add(&mut self, report: u64) {
        if self.known.insert(report) {
            self.order.push_back(report);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_reports_are_remembered() {
        let mut repeats = Repeats::default();
        for report in 0..10_000 {
            assert!(!repeats.contains(report));
            repeats.add(report);
            repeats.add(report);
        }
        assert!(repeats.contains(9_999) && repeats.contains(10_000 - REMEMBERED as u64));
        assert!(!repeats.contains(9_999 - REMEMBERED as u64));
        assert_eq!((repeats.known.len(), repeats.order.len()), (REMEMBERED, REMEMBERED));
    }
}
