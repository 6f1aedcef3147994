//! One trace: its spans in the order of their arrival, and their size.

use octet_zipkin::{Annotation, Span, Text};

use super::keep::{self, Rank};

/// The bytes of a trace in the maps of all traces, with its share of their nodes.
const TRACE: usize = 320;

/// The overhead of an allocation.
const ALLOCATION: usize = 16;

/// The bytes of a hash in its list, which can be half full.
const HASH: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Trace {
    spans: Vec<Span>,
    /// Keyed hashes of the spans, for finding duplicates; clients do not know the key.
    hashes: Vec<u64>,
    /// The number of its first arrival, which distinguishes it from an evicted trace with the same id; zero for none.
    pub(super) created: u64,
    /// The number of its last arrival; zero for none.
    pub(super) arrival: u64,
    root: u64,
    /// The root's name and duration, once it arrived with one.
    pub(super) slowness: Option<(u64, u64)>,
    pub(super) is_failed: bool,
    /// Its rank among the traces that are older than the newest half.
    pub(super) rank: Option<Rank>,
    /// Its timestamp in the index by time, zero if it is not there; and whether it waits to be indexed with another one.
    pub(super) indexed: u64,
    pub(super) is_stale: bool,
    first: u64,
    /// The bytes of the spans' own allocations.
    parts: usize,
    /// Its size if it shared no text with other traces.
    weight: usize,
    /// Its estimated size as JSON.
    json_bytes: usize,
}

impl Trace {
    pub(super) fn holds(&self, hash: u64) -> bool {
        self.hashes.contains(&hash)
    }

    pub(super) fn has_room(&self, size: &Size, max: usize) -> bool {
        self.weight + size.weight <= max
    }

    pub(super) fn add(&mut self, span: Span, size: &Size, hash: u64) {
        self.is_failed = self.is_failed || keep::is_failed(&span);
        self.parts += size.parts;
        self.weight += size.weight;
        self.json_bytes += size.json_bytes;
        if span.timestamp > 0 {
            if span.parent_id.is_none() && self.root == 0 {
                self.root = span.timestamp;
            }
            self.first = if self.first == 0 { span.timestamp } else { self.first.min(span.timestamp) };
        }
        self.hashes.push(hash);
        if self.spans.len() == self.spans.capacity() {
            self.spans.reserve_exact(growth(self.spans.len()));
        }
        self.spans.push(span);
    }

    pub(super) fn spans(&self) -> &[Span] {
        &self.spans
    }

    pub(super) fn into_spans(self) -> Vec<Span> {
        self.spans
    }

    /// As in Zipkin: the root's timestamp, or the earliest of its spans; zero when no span has one.
    pub(super) fn timestamp(&self) -> u64 {
        if self.root > 0 { self.root } else { self.first }
    }

    /// Its estimated size as JSON, in bytes.
    pub(super) fn json_bytes(&self) -> usize {
        self.json_bytes
    }

    /// Its size without texts, which the text store counts.
    pub(super) fn bytes(&self) -> usize {
        if self.spans.is_empty() {
            return 0;
        }
        TRACE + self.spans.capacity() * size_of::<Span>() + self.spans.len() * HASH + self.parts
    }
}

/// The number of spans by which a full list grows. A trace of Octet has 21 spans from nine processes, and is moved
/// once. Larger lists grow by half instead of doubling, since most grow no further.
fn growth(full: usize) -> usize {
    match full {
        0 => 8,
        1..24 => 24_usize.saturating_sub(full),
        _ => full / 2,
    }
}

/// The estimated sizes of a span, in bytes.
#[derive(Debug)]
pub(super) struct Size {
    /// Of its own allocations.
    parts: usize,
    /// With texts that it can share: its maximum.
    weight: usize,
    /// As JSON. Escapes are not counted.
    json_bytes: usize,
}

impl Size {
    pub(super) fn of(span: &Span) -> Self {
        /// As in `texts` and `services`, where each name can have an entry.
        const TEXT: usize = 66;
        const NAMES: usize = 48 * 2 + 160;
        /// Ids, times and the names of members; the punctuation of a text, with an annotation's time.
        const JSON: usize = 250;
        const JSON_TEXT: usize = 6;
        const JSON_ANNOTATION: usize = 40;

        let list = |length: usize, size: usize| if length == 0 { 0 } else { length * size + ALLOCATION };
        let annotations = span.annotations.len();
        let parts =
            list(annotations, size_of::<Annotation>()) + list(span.tags.len(), size_of::<(Text, Text)>());
        let (number, bytes) =
            texts(span).fold((0, 0), |(number, bytes), text| (number + 1, bytes + text.len()));
        // Allows for growth by half; `bytes` of a trace counts the spare capacity of short ones.
        let weight = size_of::<Span>() * 3 / 2 + HASH + parts + bytes + number * TEXT + NAMES;
        let json_bytes = JSON + annotations * JSON_ANNOTATION + bytes + number * JSON_TEXT;
        Self { parts, weight, json_bytes }
    }
}

fn texts(span: &Span) -> impl Iterator<Item = &Text> {
    let endpoints = [&span.local, &span.remote].into_iter().flatten();
    let services = endpoints.filter_map(|endpoint| endpoint.service.as_ref());
    let annotations = span.annotations.iter().map(|annotation| &annotation.value);
    let tags = span.tags.iter().flat_map(|(key, value)| [key, value]);
    span.name.iter().chain(services).chain(annotations).chain(tags)
}
