//! Counts requests as they end.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use hdrhistogram::{CreationError, Histogram};

use crate::{
    client::Exchange,
    limits::{FAILED, LATE, SLOWEST},
    outcome::Outcome,
    report::{Bin, Example, Latency, Second},
};

/// Significant decimal digits of a latency: an error of at most 0.1 %.
const DIGITS: u8 = 3;

/// The longest latency that is told apart, in microseconds: an hour of an open loop that stalls, and a timeout.
const MAX_MICROS: u64 = 2 * 3_600 * 1_000_000;

/// The number of [`Bin`]s from 1 ms to 10 ms.
const BINS_PER_DECADE: f64 = 10.0;

/// What ended so far.
pub(crate) struct Recorder {
    start: Instant,
    all: Histogram<u64>,
    succeeded: Histogram<u64>,
    outcomes: BTreeMap<Outcome, u64>,
    late: u64,
    slowest: Vec<Slow>,
    first_failed: Vec<Example>,
    last_failed: VecDeque<Example>,
    /// The seconds that are over.
    seconds: Vec<Second>,
    /// The current one.
    second: Histogram<u64>,
    second_errors: BTreeMap<Outcome, u64>,
}

struct Slow {
    latency: Duration,
    example: Example,
}

/// When a request was due, sent and over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) due: Instant,
    pub(crate) sent: Instant,
    pub(crate) ended: Instant,
}

impl Recorder {
    pub(crate) fn new(start: Instant) -> Result<Self, CreationError> {
        let histogram = || Histogram::new_with_bounds(1, MAX_MICROS, DIGITS);
        Ok(Self {
            start,
            all: histogram()?,
            succeeded: histogram()?,
            outcomes: BTreeMap::new(),
            late: 0,
            slowest: Vec::with_capacity(SLOWEST + 1),
            first_failed: Vec::new(),
            last_failed: VecDeque::new(),
            seconds: Vec::new(),
            second: histogram()?,
            second_errors: BTreeMap::new(),
        })
    }

    pub(crate) fn record(&mut self, times: Times, exchange: Exchange) {
        let Exchange { outcome, trace, .. } = exchange;
        let trace_id = trace.map(|trace| trace.trace_id().to_owned());
        self.close_until(times.ended);
        let latency = times.ended.saturating_duration_since(times.due);
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1);
        self.all.saturating_record(micros);
        self.second.saturating_record(micros);
        *self.outcomes.entry(outcome).or_default() += 1;
        if times.sent.saturating_duration_since(times.due) > LATE {
            self.late += 1;
        }
        let example = |trace_id| Example {
            at_ms: millis(times.due.saturating_duration_since(self.start)),
            latency_ms: millis(latency),
            outcome: outcome.to_string(),
            trace_id,
        };
        if outcome.is_success() {
            self.succeeded.saturating_record(micros);
            let is_slow = self.slowest.len() < SLOWEST
                || self.slowest.last().is_some_and(|fastest| fastest.latency < latency);
            if is_slow {
                let at = self.slowest.partition_point(|slow| slow.latency >= latency);
                self.slowest.insert(at, Slow { latency, example: example(trace_id) });
                self.slowest.truncate(SLOWEST);
            }
        } else {
            *self.second_errors.entry(outcome).or_default() += 1;
            let example = example(trace_id);
            if self.first_failed.len() < FAILED {
                self.first_failed.push(example);
            } else {
                if self.last_failed.len() == FAILED {
                    self.last_failed.pop_front();
                }
                self.last_failed.push_back(example);
            }
        }
    }

    /// Ends the seconds before `now`.
    pub(crate) fn close_until(&mut self, now: Instant) {
        let whole = now.saturating_duration_since(self.start).as_secs();
        while (self.seconds.len() as u64) < whole {
            let row = self.current(1.0);
            self.seconds.push(row);
            if !self.second.is_empty() {
                self.second.reset();
                self.second_errors.clear();
            }
        }
    }

    /// Ends the last second, which may be shorter.
    pub(crate) fn close_last(&mut self, now: Instant) {
        self.close_until(now);
        let rest = now.saturating_duration_since(self.start).as_secs_f64().fract();
        if rest >= 0.001 || !self.second.is_empty() {
            let row = self.current(rest.max(0.001));
            self.seconds.push(row);
            self.second.reset();
            self.second_errors.clear();
        }
    }

    fn current(&self, length: f64) -> Second {
        let second = &self.second;
        let at = |quantile| (!second.is_empty()).then(|| from_micros(second.value_at_quantile(quantile)));
        Second {
            second: u32::try_from(self.seconds.len()).unwrap_or(u32::MAX),
            length: (length * 1_000.0).round() / 1_000.0,
            requests: second.len(),
            errors: named(&self.second_errors),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: at(1.0),
        }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.all.len()
    }

    pub(crate) fn succeeded(&self) -> u64 {
        self.succeeded.len()
    }

    pub(crate) fn late(&self) -> u64 {
        self.late
    }

    pub(crate) fn outcomes(&self) -> BTreeMap<String, u64> {
        named(&self.outcomes)
    }

    pub(crate) fn latency(&self) -> Option<Latency> {
        latency(&self.all)
    }

    pub(crate) fn success_latency(&self) -> Option<Latency> {
        latency(&self.succeeded)
    }

    pub(crate) fn histogram(&self) -> Vec<Bin> {
        bins(&self.succeeded)
    }

    pub(crate) fn seconds(&self) -> Vec<Second> {
        self.seconds.clone()
    }

    pub(crate) fn slowest(&self) -> Vec<Example> {
        self.slowest.iter().map(|slow| slow.example.clone()).collect()
    }

    pub(crate) fn failures(&self) -> Vec<Example> {
        self.first_failed.iter().chain(&self.last_failed).cloned().collect()
    }
}

fn named(counts: &BTreeMap<Outcome, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(outcome, count)| (outcome.to_string(), *count)).collect()
}

fn latency(histogram: &Histogram<u64>) -> Option<Latency> {
    let at = |quantile| from_micros(histogram.value_at_quantile(quantile));
    (!histogram.is_empty()).then(|| Latency {
        min_ms: from_micros(histogram.min()),
        mean_ms: (histogram.mean()).round() / 1_000.0,
        p50_ms: at(0.5),
        p75_ms: at(0.75),
        p90_ms: at(0.9),
        p95_ms: at(0.95),
        p99_ms: at(0.99),
        p99_9_ms: at(0.999),
        max_ms: from_micros(histogram.max()),
    })
}

/// All bins from the first that has a latency to the last. Limits are tenth parts of decades, so that reports share them.
fn bins(histogram: &Histogram<u64>) -> Vec<Bin> {
    let mut bins: Vec<Bin> = Vec::new();
    let mut exponent = None;
    for value in histogram.iter_recorded() {
        let at = from_micros(value.value_iterated_to());
        let next = exponent.get_or_insert_with(|| (at.log10() * BINS_PER_DECADE).floor());
        while bins.last().is_none_or(|bin| bin.to_ms <= at) {
            let limit = |exponent: f64| 10_f64.powf(exponent / BINS_PER_DECADE);
            bins.push(Bin { from_ms: limit(*next), to_ms: limit(*next + 1.0), count: 0 });
            *next += 1.0;
        }
        if let Some(bin) = bins.last_mut() {
            bin.count += value.count_at_value();
        }
    }
    bins
}

#[allow(clippy::cast_precision_loss, reason = "at most two hours in microseconds")]
fn from_micros(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

fn millis(duration: Duration) -> f64 {
    from_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Recording {
        start: Instant,
        recorder: Recorder,
    }

    impl Recording {
        fn new() -> Self {
            let start = Instant::now();
            Self { start, recorder: Recorder::new(start).unwrap() }
        }

        /// A request that was sent when it was due and ended `at` milliseconds after the start.
        fn ends(&mut self, at: u64, latency: u64, outcome: Outcome) {
            let ended = self.start + Duration::from_millis(at);
            let due = ended.checked_sub(Duration::from_millis(latency)).unwrap();
            self.recorder
                .record(Times { due, sent: due, ended }, Exchange { outcome, trace: None, body: None });
        }

        fn after(&self, millis: u64) -> Instant {
            self.start + Duration::from_millis(millis)
        }
    }

    const OK: Outcome = Outcome::Http(200);

    #[test]
    fn a_second_without_an_answer_has_a_row_without_latencies() {
        let mut recording = Recording::new();
        recording.ends(100, 10, OK);
        recording.ends(200, 30, Outcome::Http(504));
        recording.ends(3_200, 20, OK);
        recording.recorder.close_last(recording.after(3_500));
        let rows = recording.recorder.seconds();
        let requests: Vec<_> =
            rows.iter().map(|row| (row.second, row.requests, row.p99_ms.is_some())).collect();
        assert_eq!(requests, [(0, 2, true), (1, 0, false), (2, 0, false), (3, 1, true)]);
        assert_eq!(rows[0].errors, BTreeMap::from([("HTTP 504".to_owned(), 1)]));
        assert_eq!((rows[0].length, rows[3].length), (1.0, 0.5));
    }

    #[test]
    fn percentiles_are_within_a_thousandth() {
        let mut recording = Recording::new();
        for latency in 1..=10_000 {
            recording.ends(10_000, latency, OK);
        }
        let latency = recording.recorder.latency().unwrap();
        for (value, exact) in [
            (latency.min_ms, 1.0),
            (latency.p50_ms, 5_000.0),
            (latency.p90_ms, 9_000.0),
            (latency.p99_ms, 9_900.0),
            (latency.p99_9_ms, 9_990.0),
            (latency.max_ms, 10_000.0),
            (latency.mean_ms, 5_000.5),
        ] {
            assert!((value - exact).abs() <= exact / 1_000.0, "{value} for {exact}");
        }
    }

    #[test]
    fn failures_count_in_the_latency_of_all_and_not_in_that_of_successes() {
        let mut recording = Recording::new();
        recording.ends(100, 10, OK);
        recording.ends(5_100, 5_000, Outcome::Timeout);
        assert!(recording.recorder.latency().unwrap().max_ms >= 5_000.0);
        assert!(recording.recorder.success_latency().unwrap().max_ms < 11.0);
    }

    #[test]
    fn examples_are_bounded_and_keep_the_slowest_the_first_and_the_last() {
        let mut recording = Recording::new();
        for index in 0..1_000_u64 {
            recording.ends(10_000 + index, (index * 7_919) % 1_000 + 1, OK);
            recording.ends(10_000 + index, index + 1, Outcome::Timeout);
        }
        let latencies = |examples: &[Example]| -> Vec<String> {
            examples.iter().map(|example| format!("{:.0}", example.latency_ms)).collect()
        };
        let slowest: Vec<String> = (981..=1_000).rev().map(|latency| latency.to_string()).collect();
        assert_eq!(latencies(&recording.recorder.slowest()), slowest);
        let failed: Vec<String> = (1..=25).chain(976..=1_000).map(|latency| latency.to_string()).collect();
        assert_eq!(latencies(&recording.recorder.failures()), failed);
    }

    #[test]
    fn bins_hold_every_success_and_touch() {
        let mut recording = Recording::new();
        for latency in [1, 1, 10, 100, 999, 3_000] {
            recording.ends(5_000, latency, OK);
        }
        let bins = recording.recorder.histogram();
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 6);
        assert!(bins.windows(2).all(|pair| (pair[0].to_ms - pair[1].from_ms).abs() < f64::EPSILON));
        assert!(bins[0].from_ms <= 1.0 && bins[0].count == 2, "{bins:?}");
        assert_eq!(bins.len(), 35, "the last holds 3 s, 3.48 decades above 1 ms: {bins:?}");
    }

    #[test]
    fn late_starts_are_counted_and_their_latency_counts_from_the_due_time() {
        let mut recording = Recording::new();
        let times = Times { due: recording.after(0), sent: recording.after(50), ended: recording.after(60) };
        recording.recorder.record(times, Exchange { outcome: OK, trace: None, body: None });
        assert_eq!(recording.recorder.late(), 1);
        assert!(recording.recorder.latency().unwrap().max_ms >= 60.0);
    }
}
