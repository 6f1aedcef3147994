//! The searches of Zipkin's query API.

use std::collections::{BTreeMap, BTreeSet};

use octet_zipkin::{
    Annotation, Span, TraceId,
    edges::{Edge, Edges},
    links::{Link, Links},
};

use super::{Store, trace::Trace};

/// The maximum number of listed values of a tag.
const MAX_VALUES: usize = 1_000;

/// The period in which a trace must start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    from: u64,
    to: u64,
}

impl Window {
    /// From `lookback` before `end` to `end`; both in milliseconds, `end` since 1970.
    pub fn new(end: u64, lookback: u64) -> Self {
        Self { from: end.saturating_sub(lookback).saturating_mul(1_000), to: end.saturating_mul(1_000) }
    }

    /// Its start, in milliseconds since 1970.
    pub fn start(self) -> u64 {
        self.from / 1_000
    }

    /// Its end, in milliseconds since 1970.
    pub fn end(self) -> u64 {
        self.to / 1_000
    }
}

/// The conditions of a search. With `service`, the spans of that service must meet the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The period in which the trace must start.
    pub window: Window,
    /// The maximum number of traces.
    pub limit: usize,
    /// A span must be of this service.
    pub service: Option<String>,
    /// A span must have this remote service.
    pub remote_service: Option<String>,
    /// A span must have this name.
    pub span_name: Option<String>,
    /// Required tags; an empty value requires an annotation with this key as value, or a tag with any value.
    pub annotations: BTreeMap<String, String>,
    /// A span's minimum duration in microseconds.
    pub min_duration: Option<u64>,
    /// The same span's maximum duration; ignored without a minimum.
    pub max_duration: Option<u64>,
}

impl Store {
    /// The names of all services, in order.
    pub fn services(&self) -> Vec<&str> {
        self.services.services().collect()
    }

    /// The names of a service's spans, in order.
    pub fn span_names(&self, service: &str) -> Vec<&str> {
        self.services.span_names(service).collect()
    }

    /// The names of a service's remote services, in order.
    pub fn remote_services(&self, service: &str) -> Vec<&str> {
        self.services.remote_services(service).collect()
    }

    /// The newest traces that match, newest first.
    pub fn search(&self, search: &Search) -> Vec<&[Span]> {
        let traces = self.within(search.window).map(Trace::spans);
        traces.filter(|spans| search.matches(spans)).take(search.limit).collect()
    }

    /// The dependency links of the period.
    pub fn links(&self, window: Window) -> Vec<Link> {
        let mut links = Links::default();
        self.within(window).for_each(|trace| links.add(trace.spans()));
        links.list()
    }

    /// The number of traces in the period, and the edges of the mesh in them.
    pub fn edges(&self, window: Window) -> (usize, Vec<Edge>) {
        let mut edges = Edges::default();
        let traces = self.within(window).inspect(|trace| edges.add(trace.spans())).count();
        (traces, edges.list())
    }

    /// The keys of all tags, in order.
    pub fn tag_keys(&self) -> BTreeSet<&str> {
        self.tags().map(|(key, _)| key).collect()
    }

    /// The values of a tag, in order; at most a thousand.
    pub fn tag_values(&self, wanted: &str) -> BTreeSet<&str> {
        let mut values = BTreeSet::new();
        for (key, value) in self.tags() {
            if key == wanted && values.len() < MAX_VALUES {
                values.insert(value);
            }
        }
        values
    }

    fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        let spans = self.traces.values().flat_map(|trace| trace.spans());
        spans.flat_map(|span| span.tags.iter().map(|(key, value)| (&**key, &**value)))
    }

    /// Newest first.
    fn within(&self, window: Window) -> impl Iterator<Item = &Trace> {
        // `range` panics when its start is after its end.
        let to = window.to.max(window.from);
        let found = self.by_time.range((window.from, TraceId::MIN)..=(to, TraceId::MAX)).rev();
        found.filter_map(|(_, id)| self.traces.get(id).map(Box::as_ref))
    }
}

impl Search {
    /// Different spans can meet different conditions, as in Zipkin.
    fn matches(&self, spans: &[Span]) -> bool {
        let mut is_service = self.service.is_none();
        let mut is_remote = self.remote_service.is_none();
        let mut is_named = self.span_name.is_none();
        let mut is_long = self.min_duration.is_none();
        let mut missing: BTreeMap<&str, &str> =
            self.annotations.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let is = |wanted: &Option<String>, text: Option<&octet_zipkin::Text>| {
            text.is_some_and(|text| wanted.as_deref() == Some(&**text))
        };
        for span in spans {
            if self.service.is_some() && !is(&self.service, span.service()) {
                continue;
            }
            is_service = true;
            is_remote = is_remote || is(&self.remote_service, span.remote_service());
            is_named = is_named || is(&self.span_name, span.name.as_ref());
            is_long = is_long || self.has_duration(span);
            if !missing.is_empty() {
                remove_met(&mut missing, span);
            }
        }
        is_service && is_remote && is_named && is_long && missing.is_empty()
    }

    fn has_duration(&self, span: &Span) -> bool {
        self.min_duration.is_some_and(|min| span.duration >= min)
            && self.max_duration.is_none_or(|max| span.duration <= max)
    }
}

/// Removes the conditions that `span` meets. Looks up each annotation and tag among the conditions, since a span can
/// have many more of them.
fn remove_met(missing: &mut BTreeMap<&str, &str>, span: &Span) {
    for Annotation { value, .. } in &span.annotations {
        if missing.get(&**value).is_some_and(|wanted| wanted.is_empty()) {
            missing.remove(&**value);
        }
    }
    for (key, value) in &span.tags {
        if missing.get(&**key).is_some_and(|wanted| wanted.is_empty() || **wanted == **value) {
            missing.remove(&**key);
        }
    }
}
