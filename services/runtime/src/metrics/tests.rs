use std::time::Duration;

use opentelemetry::trace::{SpanId, TraceId};

use super::*;
use crate::telemetry::SampledIds;

fn ids(number: u8) -> SampledIds {
    SampledIds { trace: TraceId::from_bytes([number; 16]), span: SpanId::from_bytes([number; 8]) }
}

/// The lines of one family, without the time of exemplars.
fn lines(text: &str, name: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.split(' ').any(|word| word.starts_with(name)));
    let timeless = |line: &str| match line.split_once(" # ") {
        Some((sample, exemplar)) => {
            let (exemplar, time) = exemplar.rsplit_once(' ').expect("a time");
            assert!(time.parse::<f64>().expect("seconds") > 1.7e9, "{line}");
            format!("{sample} # {exemplar}")
        }
        None => line.to_owned(),
    };
    lines.map(timeless).collect()
}

#[test]
fn families_have_their_names_types_and_units_in_open_metrics() {
    let metrics = Metrics::new("a \"b\"\\").expect("metrics");
    metrics.counter("calls_total", "Calls\nby \"kind\"", &["kind"]).expect("new").with_label_values(&["x"]);
    metrics.gauge("queue_bytes", "Size", &[]).expect("new").with_label_values::<&str>(&[]).set(-3);
    let text = metrics.open_metrics();
    assert_eq!(
        lines(&text, "calls"),
        ["# TYPE calls counter", r#"# HELP calls Calls\nby \"kind\""#, r#"calls_total{kind="x"} 0"#]
    );
    assert_eq!(
        lines(&text, "queue"),
        ["# TYPE queue_bytes gauge", "# UNIT queue_bytes bytes", "# HELP queue_bytes Size", "queue_bytes -3"]
    );
    assert!(text.contains(r#"octet_build_info{service="a \"b\"\\","#), "{text}");
    assert_eq!(
        lines(&text, "process_cpu")[..2],
        ["# TYPE process_cpu_seconds counter", "# UNIT process_cpu_seconds seconds"]
    );
    assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
}

#[test]
fn each_bucket_has_the_newest_sampled_span_as_its_exemplar() {
    let metrics = Metrics::new("test").expect("metrics");
    let seconds = metrics.seconds_in(&[0.25, 1.0], "test_seconds", "Seconds", &["b", "a"]).expect("new");
    let series = seconds.with(&["1", "2"]);
    for (duration, span) in [
        (Duration::from_millis(100), Some(ids(1))),
        (Duration::from_millis(250), Some(ids(2))),
        (Duration::from_millis(500), None),
        (Duration::from_secs(2), Some(ids(3))),
    ] {
        series.observe(duration, span);
    }
    seconds.with(&["3", "4"]).observe(Duration::from_secs(1), None);
    let exemplar = |number: u8, seconds: &str| {
        let digits = format!("{number:02x}");
        format!(r#"# {{trace_id="{}",span_id="{}"}} {seconds}"#, digits.repeat(16), digits.repeat(8))
    };
    assert_eq!(
        lines(&metrics.open_metrics(), "test_seconds"),
        [
            "# TYPE test_seconds histogram".to_owned(),
            "# UNIT test_seconds seconds".to_owned(),
            "# HELP test_seconds Seconds".to_owned(),
            format!(r#"test_seconds_bucket{{a="2",b="1",le="0.25"}} 2 {}"#, exemplar(2, "0.25")),
            r#"test_seconds_bucket{a="2",b="1",le="1.0"} 3"#.to_owned(),
            format!(r#"test_seconds_bucket{{a="2",b="1",le="+Inf"}} 4 {}"#, exemplar(3, "2")),
            r#"test_seconds_count{a="2",b="1"} 4"#.to_owned(),
            r#"test_seconds_sum{a="2",b="1"} 2.85"#.to_owned(),
            r#"test_seconds_bucket{a="4",b="3",le="0.25"} 0"#.to_owned(),
            r#"test_seconds_bucket{a="4",b="3",le="1.0"} 1"#.to_owned(),
            r#"test_seconds_bucket{a="4",b="3",le="+Inf"} 1"#.to_owned(),
            r#"test_seconds_count{a="4",b="3"} 1"#.to_owned(),
            r#"test_seconds_sum{a="4",b="3"} 1"#.to_owned(),
        ]
    );
    assert!(!metrics.text().expect("text").contains("trace_id"), "the plain format has no exemplars");
}

#[test]
fn exemplars_are_limited_to_one_a_bucket_and_128_characters() {
    let metrics = Metrics::new("test").expect("metrics");
    let series = metrics.seconds("test_seconds", "Seconds", &[]).expect("new").with::<&str>(&[]);
    for number in 0..30_000_u32 {
        series
            .observe(Duration::from_micros(u64::from(number) * 400), Some(ids(number.to_le_bytes()[0] | 1)));
    }
    let text = metrics.open_metrics();
    let exemplars: Vec<_> = text.lines().filter_map(|line| line.split_once(" # {")).collect();
    assert_eq!(exemplars.len(), LATENCY_BUCKETS.len() + 1, "{text}");
    for (_, exemplar) in exemplars {
        let (labels, _) = exemplar.split_once('}').expect("labels");
        assert!(labels.len() <= 128, "{labels}");
    }
}
