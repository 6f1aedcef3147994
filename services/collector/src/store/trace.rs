//! One trace: its spans in the order of their arrival, and their size.

use octet_zipkin::{Span, packed::Summary, read::Copies};

use super::{
    keep::{self, Rank},
    places::PlaceId,
};

/// The bytes of a trace in the maps of all traces, with its share of their nodes, of its own structure, and of the overhead
/// of its allocations.
const TRACE: usize = 384;

/// The bytes before a span in its trace: their number.
const PREFIX: usize = 4;

/// Up to here, the bytes of a trace grow fourfold: a trace of Octet has 21 spans of about 300 bytes from nine processes.
/// Larger ones grow by half, since most grow no further.
const USUAL: usize = 6 * 1024;

/// The minimum that a span counts for in its trace's share: it bounds the number of spans of a trace.
const MIN_WEIGHT: usize = 512;

/// What is known of a span without reading it.
#[derive(Debug)]
struct Mark {
    /// Of its bytes, for finding duplicates; clients do not know the key.
    hash: u32,
    place: PlaceId,
}

#[derive(Debug, Default)]
pub(super) struct Trace {
    /// The spans in the order of their arrival: the number of bytes of each, and the bytes.
    spans: Vec<u8>,
    marks: Vec<Mark>,
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
    /// Its size if it shared no place with other traces.
    weight: usize,
    /// Its estimated size as JSON.
    json_bytes: usize,
}

impl Trace {
    /// Whether it has a span with the same bytes; `hash` is their keyed hash.
    pub(super) fn holds(&self, span: &[u8], hash: u32) -> bool {
        self.marks.iter().any(|mark| mark.hash == hash) && self.packed().any(|known| known == span)
    }

    pub(super) fn has_room(&self, size: &Size, max: usize) -> bool {
        self.weight + size.weight <= max
    }

    pub(super) fn add(&mut self, span: &Summary<'_>, size: &Size, hash: u32, place: PlaceId) {
        self.is_failed = self.is_failed || keep::is_failed(span);
        self.weight += size.weight;
        self.json_bytes += size.json_bytes;
        if span.timestamp > 0 {
            if span.parent_id.is_none() && self.root == 0 {
                self.root = span.timestamp;
            }
            self.first = if self.first == 0 { span.timestamp } else { self.first.min(span.timestamp) };
        }
        if self.marks.len() == self.marks.capacity() {
            self.marks.reserve_exact(match self.marks.len() {
                0 => 2,
                few @ 1..24 => 24 - few,
                many => many / 2,
            });
        }
        self.marks.push(Mark { hash, place });
        let needed = self.spans.len() + PREFIX + span.bytes.len();
        let capacity = self.spans.capacity();
        if needed > capacity {
            let usual = if capacity < USUAL { capacity * 4 } else { capacity + capacity / 2 };
            self.spans.reserve_exact(usual.max(needed) - self.spans.len());
        }
        // A span has at most 10 MiB.
        let length = u32::try_from(span.bytes.len()).unwrap_or(u32::MAX);
        self.spans.extend_from_slice(&length.to_le_bytes());
        self.spans.extend_from_slice(span.bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The number of its spans.
    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }

    pub(super) fn places(&self) -> impl Iterator<Item = PlaceId> {
        self.marks.iter().map(|mark| mark.place)
    }

    /// The bytes of its spans.
    pub(super) fn packed(&self) -> impl Iterator<Item = &[u8]> {
        let mut position = 0;
        std::iter::from_fn(move || {
            let (bytes, next) = self.packed_at(position)?;
            position = next;
            Some(bytes)
        })
    }

    /// What counting and indexing need to know of its spans.
    pub(super) fn summaries(&self) -> impl Iterator<Item = Summary<'_>> {
        self.packed().filter_map(Summary::of)
    }

    pub(super) fn spans(&self) -> impl Iterator<Item = Span> {
        self.packed().filter_map(|bytes| Span::unpack(bytes, &mut Copies))
    }

    /// The span at a position, and the position of the next.
    pub(super) fn span_at(&self, position: usize) -> Option<(Span, usize)> {
        let (bytes, next) = self.packed_at(position)?;
        Span::unpack(bytes, &mut Copies).map(|span| (span, next))
    }

    fn packed_at(&self, position: usize) -> Option<(&[u8], usize)> {
        let (length, rest) = self.spans.get(position..)?.split_first_chunk::<PREFIX>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        Some((rest.get(..length)?, position + PREFIX + length))
    }

    /// As in Zipkin: the root's timestamp, or the earliest of its spans; zero when no span has one.
    pub(super) fn timestamp(&self) -> u64 {
        if self.root > 0 { self.root } else { self.first }
    }

    /// Its estimated size as JSON, in bytes.
    pub(super) fn json_bytes(&self) -> usize {
        self.json_bytes
    }

    /// Its size without places, which count for themselves.
    pub(super) fn bytes(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        TRACE + self.spans.capacity() + self.marks.capacity() * size_of::<Mark>()
    }
}

/// The estimated sizes of a span, in bytes.
#[derive(Debug)]
pub(super) struct Size {
    /// With a place of its own and spare capacity: its maximum.
    weight: usize,
    /// As JSON. Escapes are not counted.
    json_bytes: usize,
}

impl Size {
    pub(super) fn of(span: &Summary<'_>) -> Self {
        /// Ids, times and the names of members; the punctuation of a text, with an annotation's time.
        const JSON: usize = 250;
        const JSON_TEXT: usize = 6;
        const JSON_ANNOTATION: usize = 40;

        let (number, bytes) = span.texts;
        let weight = (span.bytes.len() * 2).max(MIN_WEIGHT);
        let json_bytes = JSON + span.annotations * JSON_ANNOTATION + bytes + number * JSON_TEXT;
        Self { weight, json_bytes }
    }
}
