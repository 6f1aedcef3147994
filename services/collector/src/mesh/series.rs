//! Counts over time: by the second while they are new, and by the minute after that.

use std::collections::VecDeque;

/// Seconds in a minute.
pub(super) const MINUTE: u32 = 60;

/// What is counted in one bucket of time.
pub(super) trait Part: Default {
    /// Adds another bucket.
    fn absorb(&mut self, other: &Self);
    /// The bytes of its allocations.
    fn bytes(&self) -> usize;
}

/// The limits between what is kept by the second, by the minute, and no more; in seconds since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ages {
    /// Earlier seconds are kept by the minute.
    pub(super) by_second: u32,
    /// Earlier minutes are not kept; a multiple of 60.
    pub(super) kept: u32,
}

/// A period in seconds since the start; the end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl Period {
    /// The period that buckets cover: whole minutes where only minutes are kept.
    pub(super) fn covered(self, ages: Ages) -> Self {
        let down = |second: u32| second - second % MINUTE;
        let from = if self.from < ages.by_second { down(self.from) } else { self.from };
        // Of the minute that is partly kept by the second, the earlier part.
        let to = if self.to < ages.by_second {
            down(self.to.saturating_add(MINUTE - 1)).min(ages.by_second)
        } else {
            self.to
        };
        Self { from: from.max(ages.kept), to }
    }
}

/// The buckets of one thing that is counted; seconds in which nothing happened have none.
#[derive(Debug, Default)]
pub(super) struct Series<T> {
    seconds: VecDeque<(u32, T)>,
    /// By the first second of the minute.
    minutes: VecDeque<(u32, T)>,
    bytes: usize,
}

impl<T: Part> Series<T> {
    /// Changes the bucket of a second. Nothing happens if it is not kept any more.
    pub(super) fn change(&mut self, second: u32, ages: Ages, change: impl FnOnce(&mut T)) {
        if second < ages.by_second {
            let minute = second - second % MINUTE;
            if minute >= ages.kept {
                self.bytes = change_in(&mut self.minutes, minute, self.bytes, change);
            }
        } else {
            self.bytes = change_in(&mut self.seconds, second, self.bytes, change);
        }
    }

    /// Merges and drops what is older than `ages` allow.
    pub(super) fn age(&mut self, ages: Ages) {
        while self.seconds.front().is_some_and(|(second, _)| *second < ages.by_second) {
            let Some((second, part)) = self.seconds.pop_front() else { break };
            self.bytes -= part.bytes() + size_of::<(u32, T)>();
            let minute = second - second % MINUTE;
            self.bytes = change_in(&mut self.minutes, minute, self.bytes, |sum| sum.absorb(&part));
        }
        while self.minutes.front().is_some_and(|(minute, _)| *minute < ages.kept) {
            let Some((_, part)) = self.minutes.pop_front() else { break };
            self.bytes -= part.bytes() + size_of::<(u32, T)>();
        }
        // A burst leaves no large empty queues behind.
        for queue in [&mut self.seconds, &mut self.minutes] {
            if queue.capacity() > 16 && queue.len() * 4 < queue.capacity() {
                queue.shrink_to(queue.len() * 2);
            }
        }
    }

    /// The buckets of a [covered](Period::covered) period.
    pub(super) fn parts(&self, period: Period) -> impl Iterator<Item = &T> {
        let within = move |(time, part)| (period.from <= time && time < period.to).then_some(part);
        let buckets = self.minutes.iter().chain(&self.seconds);
        buckets.map(|(time, part)| (*time, part)).filter_map(within)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seconds.is_empty() && self.minutes.is_empty()
    }

    /// The bytes of its buckets, without spare capacity.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Changes the part of a time, and returns the bytes of all.
fn change_in<T: Part>(
    parts: &mut VecDeque<(u32, T)>,
    time: u32,
    bytes: usize,
    change: impl FnOnce(&mut T),
) -> usize {
    let index = match parts.back() {
        Some((last, _)) if *last == time => parts.len() - 1,
        Some((last, _)) if *last > time => match parts.binary_search_by_key(&time, |(time, _)| *time) {
            Ok(index) => index,
            Err(index) => return insert(parts, index, time, bytes, change),
        },
        _ => return insert(parts, parts.len(), time, bytes, change),
    };
    let Some((_, part)) = parts.get_mut(index) else { return bytes };
    let before = part.bytes();
    change(part);
    bytes + part.bytes() - before
}

fn insert<T: Part>(
    parts: &mut VecDeque<(u32, T)>,
    index: usize,
    time: u32,
    bytes: usize,
    change: impl FnOnce(&mut T),
) -> usize {
    let mut part = T::default();
    change(&mut part);
    let added = part.bytes() + size_of::<(u32, T)>();
    parts.insert(index, (time, part));
    bytes + added
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Count(u32);

    impl Part for Count {
        fn absorb(&mut self, other: &Self) {
            self.0 += other.0;
        }

        fn bytes(&self) -> usize {
            0
        }
    }

    fn sum(series: &Series<Count>, from: u32, to: u32, ages: Ages) -> (u32, Period) {
        let period = Period { from, to }.covered(ages);
        (series.parts(period).map(|count| count.0).sum(), period)
    }

    #[test]
    fn seconds_become_minutes_and_nothing_is_counted_twice_or_lost() {
        let mut series = Series::default();
        let mut ages = Ages::default();
        for second in 0..400 {
            series.change(second, ages, |count: &mut Count| count.0 += 1);
        }
        assert_eq!(sum(&series, 10, 20, ages).0, 10);
        ages.by_second = 250;
        series.age(ages);
        assert_eq!(sum(&series, 0, 400, ages).0, 400);
        assert_eq!(sum(&series, 300, 310, ages), (10, Period { from: 300, to: 310 }));
        // Whole minutes, and of 240 to 300 what is kept by the minute.
        assert_eq!(sum(&series, 130, 170, ages), (60, Period { from: 120, to: 180 }));
        assert_eq!(sum(&series, 130, 245, ages), (130, Period { from: 120, to: 250 }));
        assert_eq!(sum(&series, 130, 260, ages), (140, Period { from: 120, to: 260 }));

        // Late changes reach the bucket that their second is in now.
        series.change(100, ages, |count| count.0 -= 1);
        series.change(255, ages, |count| count.0 -= 1);
        assert_eq!(sum(&series, 60, 119, ages).0, 59);
        assert_eq!(sum(&series, 255, 256, ages).0, 0);

        ages.kept = 120;
        series.age(ages);
        series.change(30, ages, |count| count.0 += 1);
        assert_eq!(sum(&series, 0, 400, ages), (279, Period { from: 120, to: 400 }));
        ages = Ages { by_second: 1_000, kept: 960 };
        series.age(ages);
        assert!(series.is_empty());
        assert_eq!(series.bytes(), 0);
    }
}
