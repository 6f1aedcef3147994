//! Histograms of seconds. For each bucket they remember the newest sampled trace, an exemplar, which the crate
//! `prometheus` does not.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use prometheus::{Histogram, HistogramVec, proto::LabelPair};

use crate::telemetry::SampledIds;

/// A histogram by labels. Clones share it.
#[derive(Clone)]
pub struct Seconds {
    histogram: HistogramVec,
    exemplars: Exemplars,
}

/// One series of a histogram. Clones share it.
#[derive(Clone)]
pub struct SecondsSeries {
    histogram: Histogram,
    exemplars: Arc<Series>,
}

/// A measured duration and the span that it belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exemplar {
    pub(crate) ids: SampledIds,
    pub(crate) seconds: f64,
    pub(crate) time: SystemTime,
}

/// The exemplars of a histogram. Clones share them.
#[derive(Clone)]
pub(crate) struct Exemplars {
    bounds: Arc<[f64]>,
    /// The labels' names, in the order of the values in `series`.
    labels: Arc<[String]>,
    /// By the labels' values.
    series: Arc<Mutex<HashMap<Vec<String>, Arc<Series>>>>,
}

/// The exemplars of one series: one for each bound, and one for what is above them.
struct Series {
    bounds: Arc<[f64]>,
    buckets: Mutex<Vec<Option<Exemplar>>>,
}

impl Seconds {
    pub(super) fn new(histogram: HistogramVec, bounds: &[f64], labels: &[&str]) -> Self {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let exemplars = Exemplars { bounds: bounds.into(), labels, series: Arc::default() };
        Self { histogram, exemplars }
    }

    pub(super) fn exemplars(&self) -> Exemplars {
        self.exemplars.clone()
    }

    /// The series of these values, in the order of the labels.
    pub fn with<V: AsRef<str> + std::fmt::Debug>(&self, values: &[V]) -> SecondsSeries {
        let histogram = self.histogram.with_label_values(values);
        let values: Vec<String> = values.iter().map(|value| value.as_ref().to_owned()).collect();
        let mut series = locked(&self.exemplars.series);
        let exemplars = series.entry(values).or_insert_with(|| {
            let buckets = Mutex::new(vec![None; self.exemplars.bounds.len() + 1]);
            Arc::new(Series { bounds: self.exemplars.bounds.clone(), buckets })
        });
        SecondsSeries { histogram, exemplars: exemplars.clone() }
    }
}

impl SecondsSeries {
    /// Adds a duration. `span` is the span that was measured, if its trace is sampled.
    pub fn observe(&self, duration: Duration, span: Option<SampledIds>) {
        let seconds = duration.as_secs_f64();
        self.histogram.observe(seconds);
        let Some(ids) = span else { return };
        let bucket = self.exemplars.bounds.partition_point(|bound| *bound < seconds);
        if let Some(exemplar) = locked(&self.exemplars.buckets).get_mut(bucket) {
            *exemplar = Some(Exemplar { ids, seconds, time: SystemTime::now() });
        }
    }
}

impl Exemplars {
    /// The exemplars of the series with these labels, one for each bucket.
    pub(crate) fn of(&self, labels: &[LabelPair]) -> Vec<Option<Exemplar>> {
        let value = |name: &String| labels.iter().find(|label| label.name() == name);
        let values: Option<Vec<String>> =
            self.labels.iter().map(|name| value(name).map(|label| label.value().to_owned())).collect();
        let series = values.and_then(|values| locked(&self.series).get(&values).cloned());
        series.map(|series| locked(&series.buckets).clone()).unwrap_or_default()
    }
}

/// Valid even after a thread panicked while holding the lock.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
