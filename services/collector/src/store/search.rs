//! The searches of Zipkin's query API, in steps of one trace each.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Bound, RangeInclusive},
};

use octet_zipkin::{
    Span, Text, TraceId,
    links::{Link, Links},
    packed,
};

use super::{Store, trace::Trace};

/// The maximum number of listed keys of tags, and of listed values of one tag.
const MAX_KEYS: usize = 10_000;
const MAX_VALUES: usize = 1_000;

/// The maximum number of links in an answer.
const MAX_LINKS: usize = 4_000;

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

    /// Its keys among the traces by time; `None` when it ends before it starts.
    pub(super) fn range(self) -> Option<RangeInclusive<(u64, TraceId)>> {
        (self.from <= self.to).then_some((self.from, TraceId::MIN)..=(self.to, TraceId::MAX))
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

/// Work over the traces of a store, in steps, so that it can be interrupted between two of them. It finds the traces that
/// [`Store::index_next`] has indexed.
pub trait Work {
    /// Does the next step; false when nothing is left to do.
    fn step(&mut self, store: &Store) -> bool;

    /// Does all steps at once.
    #[must_use]
    fn run(mut self, store: &mut Store) -> Self
    where
        Self: Sized,
    {
        while store.index_next() {}
        while self.step(store) {}
        self
    }
}

/// A position among the traces of a window, newest first.
#[derive(Debug)]
struct Position {
    from: (u64, TraceId),
    to: Bound<(u64, TraceId)>,
}

impl Position {
    fn new(window: Window) -> Self {
        // `range` panics when its start is after its end.
        let to = window.to.max(window.from);
        Self { from: (window.from, TraceId::MIN), to: Bound::Included((to, TraceId::MAX)) }
    }

    /// The next trace, older than the one before.
    fn next<'s>(&mut self, store: &'s Store) -> Option<(TraceId, &'s Trace)> {
        if matches!(self.to, Bound::Excluded(to) if to <= self.from) {
            return None;
        }
        let range = (Bound::Included(self.from), self.to);
        let (key, id, trace) = store
            .by_time
            .ordered
            .range(range)
            .rev()
            .find_map(|key| store.traces.get(&key.1).map(|trace| (*key, key.1, &**trace)))?;
        self.to = Bound::Excluded(key);
        Some((id, trace))
    }
}

/// Finds the newest traces that match a search, newest first.
#[derive(Debug)]
pub struct Find {
    position: Position,
    search: Search,
    /// The traces found so far.
    pub found: Vec<TraceId>,
    /// Their estimated size as JSON, in bytes.
    pub bytes: usize,
}

impl Find {
    /// Starts a search.
    pub fn new(search: Search) -> Self {
        Self { position: Position::new(search.window), search, found: Vec::new(), bytes: 0 }
    }
}

impl Work for Find {
    fn step(&mut self, store: &Store) -> bool {
        if self.found.len() >= self.search.limit {
            return false;
        }
        let Some((id, trace)) = self.position.next(store) else { return false };
        if self.search.matches(trace) {
            self.found.push(id);
            self.bytes += trace.json_bytes();
        }
        true
    }
}

/// Counts the dependency links of a period.
#[derive(Debug)]
pub struct CountLinks {
    position: Position,
    links: Links,
}

impl CountLinks {
    /// Starts counting.
    pub fn new(window: Window) -> Self {
        Self { position: Position::new(window), links: Links::default() }
    }

    /// The links; `None` when there are too many.
    pub fn list(&self) -> Option<Vec<Link>> {
        (self.links.len() <= MAX_LINKS).then(|| self.links.list())
    }
}

impl Work for CountLinks {
    fn step(&mut self, store: &Store) -> bool {
        let Some((_, trace)) = self.position.next(store) else { return false };
        let spans: Vec<Span> = trace.spans().collect();
        self.links.add(&spans);
        self.links.len() <= MAX_LINKS
    }
}

/// Lists the keys of all tags or the values of one, in order. A list that is too long is cut, and traces without a
/// timestamp are left out.
#[derive(Debug)]
pub struct ListTags {
    /// `None` lists keys.
    key: Option<String>,
    /// The trace that comes next is after this one, by timestamp.
    last: Option<(u64, TraceId)>,
    /// The texts found so far.
    pub found: BTreeSet<Text>,
}

impl ListTags {
    /// Starts listing the keys of all tags.
    pub fn keys() -> Self {
        Self { key: None, last: None, found: BTreeSet::new() }
    }

    /// Starts listing the values of the tag `key`.
    pub fn values(key: &str) -> Self {
        Self { key: Some(key.to_owned()), last: None, found: BTreeSet::new() }
    }
}

impl Work for ListTags {
    fn step(&mut self, store: &Store) -> bool {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let Some(key) = store.by_time.ordered.range((after, Bound::Unbounded)).next() else { return false };
        self.last = Some(*key);
        let Some(trace) = store.traces.get(&key.1) else { return true };
        let max = if self.key.is_some() { MAX_VALUES } else { MAX_KEYS };
        for span in trace.packed() {
            let found = &mut self.found;
            let mut add = |text: &str| {
                if !found.contains(text) {
                    found.insert(text.into());
                }
            };
            match &self.key {
                Some(key) => {
                    // Of equal keys, the last is the span's.
                    let mut value = None;
                    packed::texts(
                        span,
                        |_| {},
                        |name, text| {
                            if name == key {
                                value = Some(text);
                            }
                        },
                    );
                    value.into_iter().for_each(add);
                }
                None => packed::texts(span, |_| {}, |name, _| add(name)),
            }
            if self.found.len() >= max {
                while self.found.len() > max {
                    self.found.pop_last();
                }
                return false;
            }
        }
        true
    }
}

impl Store {
    /// A page of the names of all services, in order, from the first after `after`.
    pub fn services(&self, after: Option<&str>) -> impl Iterator<Item = &Text> {
        self.places.services().services(after)
    }

    /// A page of the names of a service's spans.
    pub fn span_names(&self, service: &str, after: Option<&str>) -> impl Iterator<Item = &Text> {
        self.places.services().span_names(service, after)
    }

    /// A page of the names of a service's remote services.
    pub fn remote_services(&self, service: &str, after: Option<&str>) -> impl Iterator<Item = &Text> {
        self.places.services().remote_services(service, after)
    }
}

impl Search {
    /// Different spans can meet different conditions, as in Zipkin.
    fn matches(&self, trace: &Trace) -> bool {
        let mut is_service = self.service.is_none();
        let mut is_remote = self.remote_service.is_none();
        let mut is_named = self.span_name.is_none();
        let mut is_long = self.min_duration.is_none();
        let mut missing: BTreeMap<&str, &str> =
            self.annotations.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let is = |wanted: &Option<String>, text: Option<&str>| text.is_some() && wanted.as_deref() == text;
        for span in trace.summaries() {
            if self.service.is_some() && !is(&self.service, span.service.as_deref()) {
                continue;
            }
            is_service = true;
            is_remote = is_remote || is(&self.remote_service, span.remote_service.as_deref());
            is_named = is_named || is(&self.span_name, span.name.as_deref());
            is_long = is_long || self.has_duration(span.duration);
            if !missing.is_empty() {
                remove_met(&mut missing, span.bytes);
            }
        }
        is_service && is_remote && is_named && is_long && missing.is_empty()
    }

    fn has_duration(&self, duration: u64) -> bool {
        self.min_duration.is_some_and(|min| duration >= min)
            && self.max_duration.is_none_or(|max| duration <= max)
    }
}

/// Removes the conditions that a span meets. Looks up each annotation and tag among the conditions, since a span can
/// have many more of them.
fn remove_met(missing: &mut BTreeMap<&str, &str>, span: &[u8]) {
    let mut events = Vec::new();
    // Of equal keys, the last is the span's.
    let mut tags = BTreeMap::new();
    packed::texts(
        span,
        |event| {
            if missing.contains_key(event) {
                events.push(event);
            }
        },
        |key, value| {
            if missing.contains_key(key) {
                tags.insert(key, value);
            }
        },
    );
    let is_met = |key: &str, wanted: &str| {
        (wanted.is_empty() && events.contains(&key))
            || tags.get(key).is_some_and(|value| wanted.is_empty() || *value == wanted)
    };
    missing.retain(|key, wanted| !is_met(key, wanted));
}
