//! The telemetry report for people: a table of edges, what the counters show, and a verdict.

use super::{
    super::table::{columns, number, some},
    counters::{Compared, Counter},
    report::{EdgeSpans, TelemetryReport},
};

impl TelemetryReport {
    /// The report as text without a line break at the end. The last line is the verdict.
    pub fn table(&self) -> String {
        let rows = self.edges().map(|edge| {
            let EdgeSpans { from, to, side, expected, arrived, lost, doubled, wrong_parent } = edge;
            let mut cells = vec![format!("{from} > {to}"), side.name().to_owned()];
            cells.extend([expected, arrived, lost, doubled, wrong_parent].map(|count| number(*count)));
            (cells, None)
        });
        let rows: Vec<_> = rows.collect();
        let mut text = String::new();
        if !rows.is_empty() {
            let heads = ["edge", "span", "claimed", "arrived", "lost", "doubled", "wrong parent"];
            text += &columns(2, &heads, &rows);
            text.push('\n');
        }
        if let Some(counters) = &self.counters {
            text += &counters.table();
            text.push('\n');
        }
        for note in self.notes() {
            text.push_str("not judged: ");
            text.push_str(&note);
            text.push('\n');
        }
        text + &self.summary()
    }

    /// What was not judged, and why.
    fn notes(&self) -> Vec<String> {
        let answers = ("answer", "answers");
        let all = [
            (self.unnamed, answers, "the file does not name the trace (see `octet audit --help`)"),
            (self.unrecorded, answers, "the trace was not sampled"),
            (self.shared, answers, "the trace has other requests, too"),
            (self.invalid, answers, "a platform of this topology cannot have returned it"),
            (self.ambiguous, ("call", "calls"), "the answer does not show the caller or the consumer"),
            (self.retried, ("retry", "retries"), "a failed attempt may not have been served"),
            (self.others, ("span", "spans"), "made by a proxy or another program, or local to a process"),
        ];
        let counted = all.into_iter().filter(|(count, ..)| *count > 0);
        counted.map(|(count, what, why)| format!("{}: {why}", some(count, what))).collect()
    }

    fn summary(&self) -> String {
        if self.traces == 0 {
            return format!("nothing to judge: {}", some(self.answers, ("answer", "answers")));
        }
        let spans = some(self.expected(), ("span", "spans"));
        let mut findings = Vec::new();
        for (count, what) in [
            (self.lost(), "lost"),
            (self.doubled(), "doubled"),
            (self.wrong_parents(), "with a wrong parent"),
        ] {
            if count > 0 {
                findings.push(format!("{} {what}", some(count, ("span", "spans"))));
            }
        }
        if self.invalid > 0 {
            findings.push(format!("{} invalid", some(self.invalid, ("answer", "answers"))));
        }
        findings.extend(self.counters.as_ref().and_then(Compared::summary));
        let traces = some(self.traces, ("trace", "traces"));
        if findings.is_empty() {
            format!("telemetry complete: {traces} with all {spans} that the answers claim")
        } else {
            format!("TELEMETRY: {} ({traces}, {spans} claimed)", findings.join("; "))
        }
    }
}

impl Compared {
    fn table(&self) -> String {
        let mut rows: Vec<_> = self.counters.iter().map(row).collect();
        let dropped = self.dropped.iter().map(|(process, spans)| {
            let cells = vec![format!("spans dropped by {process}"), "0".to_owned(), spans.to_string()];
            (cells, Some("OFF".to_owned()))
        });
        rows.extend(dropped);
        if self.repeated > 0.0 {
            let cells = vec!["spans received again".to_owned(), "0".to_owned(), self.repeated.to_string()];
            rows.push((cells, self.is_exact.then(|| "OFF".to_owned())));
        }
        columns(1, &["counter", "claimed", "counted"], &rows)
    }

    fn summary(&self) -> Option<String> {
        let off = self.off().len();
        (off > 0).then(|| format!("{} off", some(super::nodes::count(off), ("counter", "counters"))))
    }
}

fn row(counter: &Counter) -> (Vec<String>, Option<String>) {
    let Counter { what, proven, counted, is_off } = counter;
    let counted = counted.map_or("-".to_owned(), |counted| counted.to_string());
    (vec![what.clone(), number(*proven), counted], is_off.then(|| "OFF".to_owned()))
}
