//! Which traces stay when memory is full.
//!
//! The newest half stays in any case. Of the rest, failed traces stay longest, then slow ones, and the others are a fair
//! sample: each trace has a rank from its age, its worth, and a random number, and the lowest rank goes first. By the
//! exponential decay of Cormode and others ("Forward Decay", 2009) a trace of one worth is as likely to stay as any other
//! of its age, and less likely the older it is.

use std::collections::{BTreeSet, HashMap};

use foldhash::quality::RandomState;
use octet_zipkin::{TraceId, outcome::Outcome, packed::Summary};

use crate::mesh::{Histogram, Sum};

/// The seconds of age in which the weight of a trace falls to 1/e.
const DECAY: f64 = 300.0;

/// By how many seconds failed and slow traces count as younger.
const FAILED: f64 = 8.0 * DECAY;
const SLOW: f64 = 5.0 * DECAY;

/// The slowest of a hundred are slow; of fewer, none is.
const SLOWEST_PERCENT: u64 = 99;
const MIN_CALLS: u32 = 100;

/// Seconds over which slowness is judged, twice.
const WINDOW: u32 = 60;

/// The maximum number of distinct roots whose durations are compared; traces of further ones are never slow.
const MAX_ROOTS: usize = 256;

/// A trace's rank in milliseconds; the lowest goes first.
pub(super) type Rank = i64;

/// Whether a span makes its trace worth keeping longest: it failed, or its tracer was forced to record it.
pub(super) fn is_failed(span: &Summary<'_>) -> bool {
    span.is_debug || matches!(span.reading.outcome, Outcome::Failed(_))
}

/// The traces that are older than the newest half, by rank, and what makes a trace slow.
#[derive(Debug, Default)]
pub(super) struct Keep {
    ranked: BTreeSet<(Rank, TraceId)>,
    roots: HashMap<u64, Root, RandomState>,
    now: u32,
}

/// The durations of the traces with one root: its service and name.
#[derive(Debug, Default)]
struct Root {
    before: Histogram,
    current: Histogram,
    count: u32,
    window: u32,
    /// In microseconds, as of a second.
    slow: Option<(u32, u64)>,
}

impl Keep {
    pub(super) fn advance(&mut self, now: u32) {
        self.now = self.now.max(now);
    }

    /// Notes the duration of a trace's root.
    pub(super) fn add_root(&mut self, root: u64, duration: u64) {
        if self.roots.len() >= MAX_ROOTS && !self.roots.contains_key(&root) {
            return;
        }
        let now = self.now;
        let root = self.roots.entry(root).or_default();
        if root.window != now / WINDOW {
            root.before = std::mem::take(&mut root.current);
            (root.window, root.count) = (now / WINDOW, root.count.min(MIN_CALLS));
        }
        root.count = root.count.saturating_add(1);
        root.current.add(u32::try_from(duration).unwrap_or(u32::MAX));
    }

    /// Whether a trace was among the slowest of its root.
    pub(super) fn is_slow(&mut self, root: u64, duration: u64) -> bool {
        let now = self.now;
        let Some(root) = self.roots.get_mut(&root).filter(|root| root.count >= MIN_CALLS) else {
            return false;
        };
        let limit = match root.slow {
            Some((second, limit)) if second == now => limit,
            _ => {
                let mut sum = Sum::default();
                sum.add(&root.before);
                sum.add(&root.current);
                let limit = sum.at(SLOWEST_PERCENT).unwrap_or(u64::MAX);
                root.slow = Some((now, limit));
                limit
            }
        };
        duration > limit
    }

    /// The rank of a trace; `random` is a keyed hash of its id.
    pub(super) fn rank(&self, random: u64, is_failed: bool, is_slow: bool) -> Rank {
        // Between 0 and 1, and neither.
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let random = ((random >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let worth = if is_failed {
            FAILED
        } else if is_slow {
            SLOW
        } else {
            0.0
        };
        let rank = f64::from(self.now) + worth - DECAY * (-random.ln()).ln();
        #[expect(clippy::cast_possible_truncation, reason = "rounding down to milliseconds is enough")]
        let rank = (rank * 1_000.0) as i64;
        rank
    }

    pub(super) fn add(&mut self, rank: Rank, id: TraceId) {
        self.ranked.insert((rank, id));
    }

    pub(super) fn remove(&mut self, rank: Rank, id: TraceId) {
        self.ranked.remove(&(rank, id));
    }

    /// The trace that goes next.
    pub(super) fn pop_lowest(&mut self) -> Option<TraceId> {
        self.ranked.pop_first().map(|(_, id)| id)
    }
}
