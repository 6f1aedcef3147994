//! Searches, as Zipkin's query API has them.

use std::collections::{BTreeMap, BTreeSet};

use octet_zipkin::{
    Annotation, Span, TraceId,
    edges::{Edge, Edges},
    links::{Link, Links},
};

use super::{Store, trace::Trace};

/// Values of a tag that are listed at most.
const VALUES: usize = 1_000;

/// When a trace must have begun.
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

    /// Milliseconds since 1970 at which it begins.
    pub fn begin(self) -> u64 {
        self.from / 1_000
    }

    /// Milliseconds since 1970 at which it ends.
    pub fn end(self) -> u64 {
        self.to / 1_000
    }
}

/// What a trace must have, in its spans of `service` where that is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// When it must have begun.
    pub window: Window,
    /// How many traces are wanted.
    pub limit: usize,
    /// A span must be this service's.
    pub service: Option<String>,
    /// A span must call or answer this service.
    pub remote_service: Option<String>,
    /// A span must have this name.
    pub span_name: Option<String>,
    /// Annotations, or tags with any value where the value is empty; all must be there.
    pub annotations: BTreeMap<String, String>,
    /// A span must take this many microseconds at least.
    pub min_duration: Option<u64>,
    /// The same span must take this many at most; has no meaning without a minimum.
    pub max_duration: Option<u64>,
}

impl Store {
    /// Names of services, in their order.
    pub fn services(&self) -> Vec<&str> {
        self.services.services().collect()
    }

    /// Names of the spans that a service reports, in their order.
    pub fn span_names(&self, service: &str) -> Vec<&str> {
        self.services.span_names(service).collect()
    }

    /// Names of the services that a service calls or answers, in their order.
    pub fn remote_services(&self, service: &str) -> Vec<&str> {
        self.services.remote_services(service).collect()
    }

    /// The newest traces that have what is searched for, newest first.
    pub fn search(&self, search: &Search) -> Vec<&[Span]> {
        let traces = self.within(search.window).map(Trace::spans);
        traces.filter(|spans| search.matches(spans)).take(search.limit).collect()
    }

    /// Who called whom, and how often.
    pub fn links(&self, window: Window) -> Vec<Link> {
        let mut links = Links::default();
        self.within(window).for_each(|trace| links.add(trace.spans()));
        links.list()
    }

    /// How many traces there were, and how each edge of the mesh did in them.
    pub fn edges(&self, window: Window) -> (usize, Vec<Edge>) {
        let mut edges = Edges::default();
        let traces = self.within(window).inspect(|trace| edges.add(trace.spans())).count();
        (traces, edges.list())
    }

    /// Keys of tags, in their order.
    pub fn tag_keys(&self) -> BTreeSet<&str> {
        self.tags().map(|(key, _)| key).collect()
    }

    /// Values of a tag, in their order; the first thousand that are met.
    pub fn tag_values(&self, wanted: &str) -> BTreeSet<&str> {
        let mut values = BTreeSet::new();
        for (key, value) in self.tags() {
            if key == wanted && values.len() < VALUES {
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
        // A range that begins after its end would be a panic.
        let to = window.to.max(window.from);
        let found = self.by_time.range((window.from, TraceId::MIN)..=(to, TraceId::MAX)).rev();
        found.filter_map(|(_, id)| self.traces.get(id).map(Box::as_ref))
    }
}

impl Search {
    /// Each demand may be met by another span, as in Zipkin; those that are met are crossed out.
    fn matches(&self, spans: &[Span]) -> bool {
        let mut is_service = self.service.is_none();
        let mut is_remote = self.remote_service.is_none();
        let mut is_named = self.span_name.is_none();
        let mut took = self.min_duration.is_none();
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
            took = took || self.is_as_long_as(span);
            if !missing.is_empty() {
                cross_out(&mut missing, span);
            }
        }
        is_service && is_remote && is_named && took && missing.is_empty()
    }

    fn is_as_long_as(&self, span: &Span) -> bool {
        self.min_duration.is_some_and(|least| span.duration >= least)
            && self.max_duration.is_none_or(|most| span.duration <= most)
    }
}

/// Looks each annotation and tag up among the demands: a span may have many more of them than there are demands left.
fn cross_out(missing: &mut BTreeMap<&str, &str>, span: &Span) {
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
