//! One trace: its spans as they came, and what they take.

use octet_zipkin::{Annotation, Span, Text};

/// What a trace takes in the maps over all traces, with its share of their nodes.
const TRACE: usize = 320;

/// What an allocation takes beside its bytes.
const ALLOCATION: usize = 16;

/// What a print takes in its list, which may be half full.
const PRINT: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Trace {
    spans: Vec<Span>,
    /// Hashes of the spans, by a key that nobody outside knows: a span that comes twice is known by its own.
    prints: Vec<u64>,
    /// The number of the last arrival; zero for none.
    pub(super) arrival: u64,
    root: u64,
    first: u64,
    /// Of the spans' own allocations.
    parts: usize,
    /// What it would take if it shared no text with others.
    weight: usize,
}

impl Trace {
    pub(super) fn holds(&self, print: u64) -> bool {
        self.prints.contains(&print)
    }

    pub(super) fn has_room(&self, span: &Span, most: usize) -> bool {
        self.weight + weight(span) <= most
    }

    pub(super) fn add(&mut self, span: Span, print: u64) {
        self.parts += parts(&span);
        self.weight += weight(&span);
        if span.timestamp > 0 {
            if span.parent_id.is_none() && self.root == 0 {
                self.root = span.timestamp;
            }
            self.first = if self.first == 0 { span.timestamp } else { self.first.min(span.timestamp) };
        }
        self.prints.push(print);
        if self.spans.len() == self.spans.capacity() {
            self.spans.reserve_exact(more_places(self.spans.len()));
        }
        self.spans.push(span);
    }

    pub(super) fn spans(&self) -> &[Span] {
        &self.spans
    }

    pub(super) fn into_spans(self) -> Vec<Span> {
        self.spans
    }

    /// As Zipkin has it: when the root began, or else the first of its spans; zero when none says.
    pub(super) fn timestamp(&self) -> u64 {
        if self.root > 0 { self.root } else { self.first }
    }

    /// What it takes, but for texts, which are counted where they are kept.
    pub(super) fn bytes(&self) -> usize {
        if self.spans.is_empty() {
            return 0;
        }
        TRACE + self.spans.capacity() * size_of::<Span>() + self.spans.len() * PRINT + self.parts
    }
}

/// By how many places a full list grows. A trace of Octet's own has 21 spans, which come from nine processes: it moves
/// once. Beyond, by half instead of to the double: most traces grow no further.
fn more_places(full: usize) -> usize {
    match full {
        0 => 8,
        1..24 => 24_usize.saturating_sub(full),
        _ => full / 2,
    }
}

/// What a span's own allocations take.
fn parts(span: &Span) -> usize {
    let list = |length: usize, size: usize| if length == 0 { 0 } else { length * size + ALLOCATION };
    list(span.annotations.len(), size_of::<Annotation>()) + list(span.tags.len(), size_of::<(Text, Text)>())
}

/// What a span takes at most, its texts included, which it may share.
fn weight(span: &Span) -> usize {
    /// As in `texts` and `services`, where each name may have an entry.
    const TEXT: usize = 66;
    const NAMES: usize = 48 * 2 + 160;
    let endpoints = [&span.local, &span.remote].into_iter().flatten();
    let services = endpoints.filter_map(|endpoint| endpoint.service.as_ref());
    let annotations = span.annotations.iter().map(|annotation| &annotation.value);
    let tags = span.tags.iter().flat_map(|(key, value)| [key, value]);
    let texts = span.name.iter().chain(services).chain(annotations).chain(tags);
    let texts: usize = texts.map(|text| text.len() + TEXT).sum();
    // Room for growth by half; what a short trace keeps free beyond that, its bytes tell.
    size_of::<Span>() * 3 / 2 + PRINT + parts(span) + texts + NAMES
}
