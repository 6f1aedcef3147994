//! OpenMetrics 1.0, which has exemplars (<https://prometheus.io/docs/specs/om/open_metrics_spec/>), from the crate's
//! families.

use std::{
    borrow::Cow,
    fmt::{Display, Write as _},
    time::UNIX_EPOCH,
};

use prometheus::proto::{Histogram, LabelPair, MetricFamily, MetricType};

use super::seconds::{Exemplar, Exemplars};

/// The content type of [`encode`].
pub(super) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The suffix of a counter's samples. The family is named without it.
const TOTAL: &str = "_total";

/// Units that names end with, and that the format therefore lets us declare.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// Writes all families; `exemplars` returns those of a family.
pub(super) fn encode(families: &[MetricFamily], exemplars: impl Fn(&str) -> Option<Exemplars>) -> String {
    let mut out = String::new();
    for family in families {
        let (kind, name) = match family.get_field_type() {
            MetricType::COUNTER => {
                ("counter", family.name().strip_suffix(TOTAL).unwrap_or_else(|| family.name()))
            }
            MetricType::GAUGE => ("gauge", family.name()),
            MetricType::HISTOGRAM => ("histogram", family.name()),
            // Octet has none.
            MetricType::SUMMARY | MetricType::UNTYPED => continue,
        };
        line(&mut out, format_args!("# TYPE {name} {kind}"));
        if let Some(unit) = UNITS.iter().find(|unit| name.ends_with(&format!("_{unit}"))) {
            line(&mut out, format_args!("# UNIT {name} {unit}"));
        }
        line(&mut out, format_args!("# HELP {name} {}", escaped(family.help())));
        let exemplars = exemplars(family.name());
        for metric in family.get_metric() {
            let labels = metric.get_label();
            match family.get_field_type() {
                MetricType::COUNTER => {
                    let value = number(metric.get_counter().get_value());
                    line(&mut out, format_args!("{name}{TOTAL}{} {value}", Labels(labels, None)));
                }
                MetricType::HISTOGRAM => {
                    let exemplars =
                        exemplars.as_ref().map(|exemplars| exemplars.of(labels)).unwrap_or_default();
                    write_histogram(&mut out, name, labels, metric.get_histogram(), &exemplars);
                }
                _ => {
                    let value = number(metric.get_gauge().get_value());
                    line(&mut out, format_args!("{name}{} {value}", Labels(labels, None)));
                }
            }
        }
    }
    out.push_str("# EOF\n");
    out
}

fn write_histogram(
    out: &mut String,
    name: &str,
    labels: &[LabelPair],
    histogram: &Histogram,
    exemplars: &[Option<Exemplar>],
) {
    let count = histogram.get_sample_count();
    let bounded = histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite());
    let buckets = bounded.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    for (index, (bound, count)) in buckets.chain([(f64::INFINITY, count)]).enumerate() {
        let labels = Labels(labels, Some(bound));
        // Writing to a String cannot fail.
        let _ = write!(out, "{name}_bucket{labels} {count}");
        if let Some(Exemplar { ids, seconds, time }) = exemplars.get(index).copied().flatten() {
            let ids = ids.text();
            let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            let (span, millis) = (ids.span.unwrap_or_default(), time.subsec_millis());
            let _ = write!(out, " # {{trace_id=\"{}\",span_id=\"{span}\"}} {seconds}", ids.trace);
            let _ = write!(out, " {}.{millis:03}", time.as_secs());
        }
        out.push('\n');
    }
    line(out, format_args!("{name}_count{} {count}", Labels(labels, None)));
    let sum = number(histogram.get_sample_sum());
    line(out, format_args!("{name}_sum{} {sum}", Labels(labels, None)));
}

/// The labels of a sample, with the bound of a bucket.
struct Labels<'a>(&'a [LabelPair], Option<f64>);

impl Display for Labels<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(labels, bound) = self;
        let mut before = '{';
        for label in *labels {
            write!(out, "{before}{}=\"{}\"", label.name(), escaped(label.value()))?;
            before = ',';
        }
        if let Some(bound) = bound {
            // A whole number has a decimal point here, unlike in the plain format. Prometheus 3 adds it there itself.
            let point = if bound.fract() == 0.0 { ".0" } else { "" };
            write!(out, "{before}le=\"{}{point}\"", number(*bound))?;
            before = ',';
        }
        if before == ',' { out.write_str("}") } else { Ok(()) }
    }
}

fn number(value: f64) -> Cow<'static, str> {
    if value == f64::INFINITY {
        "+Inf".into()
    } else if value == f64::NEG_INFINITY {
        "-Inf".into()
    } else {
        value.to_string().into()
    }
}

fn escaped(text: &str) -> Cow<'_, str> {
    if text.contains(['\\', '\n', '"']) {
        text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"").into()
    } else {
        text.into()
    }
}

fn line(out: &mut String, line: impl Display) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{line}");
}
