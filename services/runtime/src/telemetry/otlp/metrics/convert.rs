//! From the registry's families to OTLP's metrics. Names stay those of `/metrics`, so that dashboards and rules find them.

use std::time::SystemTime;

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, Exemplar, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
        exemplar, metric::Data, number_data_point,
    },
};
use prometheus::proto::{self, LabelPair, MetricFamily, MetricType};

use crate::{
    metrics::{self, Exemplars, Metrics},
    telemetry::otlp::encode::nanoseconds,
};

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// The suffixes of names that say the unit, and UCUM's codes of the units.
const UNITS: [(&str, &str); 2] = [("_seconds", "s"), ("_bytes", "By")];

/// All series at this moment.
pub(super) fn metrics(metrics: &Metrics) -> Vec<Metric> {
    let period = Period { start: nanoseconds(metrics.started()), now: nanoseconds(SystemTime::now()) };
    let families = metrics.families();
    let metric = |family: &MetricFamily| metric(family, period, metrics.exemplars(family.name()).as_ref());
    families.iter().filter_map(metric).collect()
}

/// Since when a process counts, and when it was asked.
#[derive(Clone, Copy)]
struct Period {
    start: u64,
    now: u64,
}

fn metric(family: &MetricFamily, period: Period, exemplars: Option<&Exemplars>) -> Option<Metric> {
    let series = family.get_metric();
    let data = match family.get_field_type() {
        MetricType::COUNTER => Data::Sum(Sum {
            data_points: points(series, period, |metric| metric.get_counter().get_value()),
            aggregation_temporality: CUMULATIVE,
            is_monotonic: true,
        }),
        MetricType::GAUGE => {
            let period = Period { start: 0, ..period };
            Data::Gauge(Gauge {
                data_points: points(series, period, |metric| metric.get_gauge().get_value()),
            })
        }
        MetricType::HISTOGRAM => {
            let point = |metric| histogram_point(metric, period, exemplars);
            let data_points = series.iter().map(point).collect();
            Data::Histogram(Histogram { data_points, aggregation_temporality: CUMULATIVE })
        }
        // Octet has none.
        MetricType::SUMMARY | MetricType::UNTYPED => return None,
    };
    let base = family.name().trim_end_matches("_total");
    let unit = UNITS.iter().find(|(suffix, _)| base.ends_with(suffix));
    Some(Metric {
        name: family.name().to_owned(),
        description: family.help().to_owned(),
        unit: unit.map(|(_, unit)| (*unit).to_owned()).unwrap_or_default(),
        data: Some(data),
        ..Metric::default()
    })
}

fn points(
    series: &[proto::Metric],
    period: Period,
    value: fn(&proto::Metric) -> f64,
) -> Vec<NumberDataPoint> {
    let point = |metric| NumberDataPoint {
        attributes: attributes(proto::Metric::get_label(metric)),
        start_time_unix_nano: period.start,
        time_unix_nano: period.now,
        value: Some(number_data_point::Value::AsDouble(value(metric))),
        ..NumberDataPoint::default()
    };
    series.iter().map(point).collect()
}

fn histogram_point(
    metric: &proto::Metric,
    period: Period,
    exemplars: Option<&Exemplars>,
) -> HistogramDataPoint {
    let histogram = metric.get_histogram();
    let count = histogram.get_sample_count();
    let (mut explicit_bounds, mut bucket_counts, mut below) = (Vec::new(), Vec::new(), 0);
    for bucket in histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite()) {
        explicit_bounds.push(bucket.upper_bound());
        // Prometheus's buckets include the smaller ones.
        bucket_counts.push(bucket.cumulative_count().saturating_sub(below));
        below = bucket.cumulative_count();
    }
    bucket_counts.push(count.saturating_sub(below));
    let exemplars = exemplars.map(|exemplars| exemplars.of(metric.get_label())).unwrap_or_default();
    HistogramDataPoint {
        attributes: attributes(metric.get_label()),
        start_time_unix_nano: period.start,
        time_unix_nano: period.now,
        count,
        sum: Some(histogram.get_sample_sum()),
        bucket_counts,
        explicit_bounds,
        exemplars: exemplars.into_iter().flatten().map(exemplar).collect(),
        ..HistogramDataPoint::default()
    }
}

fn exemplar(exemplar: metrics::Exemplar) -> Exemplar {
    Exemplar {
        time_unix_nano: nanoseconds(exemplar.time),
        span_id: exemplar.ids.span.to_bytes().to_vec(),
        trace_id: exemplar.ids.trace.to_bytes().to_vec(),
        value: Some(exemplar::Value::AsDouble(exemplar.seconds)),
        ..Exemplar::default()
    }
}

fn attributes(labels: &[LabelPair]) -> Vec<KeyValue> {
    let attribute = |label: &LabelPair| KeyValue {
        key: label.name().to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(label.value().to_owned())) }),
        ..KeyValue::default()
    };
    labels.iter().map(attribute).collect()
}
