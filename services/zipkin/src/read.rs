//! Parses a report: a list of spans, read one by one, so that a malformed span does not affect the others.
//!
//! [`Reader`] reads JSON of the v2 and v1 formats, [`ProtoReader`] zipkin-api's protobuf.

pub(crate) mod field;
mod form;
pub(crate) mod plain;
pub(crate) mod proto;
mod span;
mod v1;

use serde::Serialize;
use serde_json::value::RawValue;

pub(crate) use self::plain::lower;
pub use self::proto::ProtoReader;
use self::{
    field::FieldError,
    form::{Form, Interned, Packed},
};
use crate::{Span, Text, packed::Summary};

/// The maximum number of malformed spans that are described; further ones are only counted.
const MAX_DESCRIBED: usize = 32;

/// The maximum size of one span in a report, in bytes.
const MAX_SPAN: usize = 1024 * 1024;

/// The content of a report.
#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    /// The well-formed spans, in their order.
    pub spans: Vec<Span>,
    /// The first 32 malformed spans.
    pub malformed: Vec<Malformed>,
    /// The number of all malformed spans.
    pub malformed_count: usize,
    /// Where the text stops being a JSON list, if it does; the rest is not read.
    pub broken: Option<Broken>,
}

/// A malformed span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Malformed {
    /// Its index in the list, from zero.
    pub index: usize,
    /// The offset of its first byte.
    pub offset: usize,
    /// The malformed member, such as `localEndpoint.port` or `annotations[2].value`; empty for the whole span.
    pub field: String,
    /// What is wrong with it, and what is allowed.
    pub problem: String,
}

/// Where and why a text is not a JSON list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The index in the list that was being read, from zero.
    pub index: usize,
    /// The offset of the first byte that is not JSON.
    pub offset: usize,
    /// Why.
    pub problem: String,
}

/// Provides the texts of a report's spans, so that equal texts can share one allocation.
pub trait Intern {
    /// A text equal to this one.
    fn intern(&mut self, text: &str) -> Text;
}

/// Copies each text.
#[derive(Debug)]
pub struct Copies;

impl Intern for Copies {
    fn intern(&mut self, text: &str) -> Text {
        text.into()
    }
}

impl Batch {
    /// Parses a report.
    pub fn read(bytes: &[u8]) -> Self {
        let mut batch = Self::default();
        let mut reader = Reader::new(bytes);
        while let Some(entry) = reader.next_entry(&mut Copies) {
            match entry {
                Entry::Span(span) => batch.spans.push(span),
                Entry::Malformed(malformed) => batch.add_malformed(malformed),
                Entry::Broken(broken) => batch.broken = Some(broken),
                Entry::Nothing => {}
            }
        }
        batch
    }

    /// Counts a malformed span, and keeps its description if it is among the first.
    pub fn add_malformed(&mut self, malformed: Malformed) {
        self.malformed_count += 1;
        if self.malformed.len() < MAX_DESCRIBED {
            self.malformed.push(malformed);
        }
    }

    /// Whether every span of the report is well-formed.
    pub fn is_whole(&self) -> bool {
        self.malformed_count == 0 && self.broken.is_none()
    }
}

/// One element of a report.
#[derive(Debug, PartialEq)]
pub enum Entry<S = Span> {
    /// A well-formed span.
    Span(S),
    /// A malformed span.
    Malformed(Malformed),
    /// The end of a report that is not in its format; the last entry.
    Broken(Broken),
    /// A part without a span, such as the start of a list: the caller may pause.
    Nothing,
}

/// Parses a report span by span, so that a caller can pause between them.
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a str,
    /// Whether the report has bytes after `text` that are not UTF-8.
    is_cut: bool,
    offset: usize,
    index: usize,
    next: Next,
    version: Version,
    /// Of the v1 format: the further spans of the last element.
    further: Vec<Span>,
}

/// The formats in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// An element of a report: a span, or a text that may be one.
enum Element<'a, S> {
    Span(S),
    Raw(&'a RawValue),
}

/// What follows at a reader's offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Opening,
    FirstElement,
    Separator,
    Element,
    Nothing,
    /// After an error.
    Broken,
}

impl<'a> Reader<'a> {
    /// A reader at the start of a report of the v2 format.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::of_version(Version::V2, bytes)
    }

    /// A reader at the start of a report of the v1 format.
    pub fn v1(bytes: &'a [u8]) -> Self {
        Self::of_version(Version::V1, bytes)
    }

    fn of_version(version: Version, bytes: &'a [u8]) -> Self {
        let (text, is_cut) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, false),
            // Reads what precedes the first invalid byte.
            Err(error) => {
                let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                (std::str::from_utf8(valid).unwrap_or_default(), true)
            }
        };
        Self { text, is_cut, offset: 0, index: 0, next: Next::Opening, version, further: Vec::new() }
    }

    /// The next element; `None` after the last. `texts` provides every text of a well-formed span, and no other.
    pub fn next_entry(&mut self, texts: &mut impl Intern) -> Option<Entry> {
        self.next_as(&mut Interned(texts))
    }

    /// As [`next_entry`](Self::next_entry), with the span [packed](Span::pack): it is appended to `out`. Returns its summary
    /// without the bytes, or nothing where these have to be read for it.
    pub fn next_packed(&mut self, out: &mut Vec<u8>) -> Option<Entry<Option<Summary<'a>>>> {
        self.next_as(&mut Packed(out))
    }

    fn next_as<F: Form>(&mut self, form: &mut F) -> Option<Entry<F::Span<'a>>> {
        if let Some(span) = self.further.pop() {
            return Some(Entry::Span(form.of_span(span)));
        }
        match self.element(form) {
            Ok(element) => {
                let entry = match element? {
                    Element::Span(span) => Entry::Span(span),
                    Element::Raw(raw) => self.entry(raw, form),
                };
                self.index += 1;
                Some(entry)
            }
            Err((offset, problem)) => {
                self.next = Next::Broken;
                // The parser reports the end of the text where the report continues with invalid bytes.
                let (offset, problem) = if self.is_cut {
                    (self.text.len(), "is not UTF-8".to_owned())
                } else {
                    (offset, problem)
                };
                Some(Entry::Broken(Broken { index: self.index, offset, problem }))
            }
        }
    }

    fn entry<F: Form>(&mut self, raw: &'a RawValue, form: &mut F) -> Entry<F::Span<'a>> {
        let (index, start) = (self.index, self.text.as_ptr().addr());
        let malformed = |error: FieldError| {
            let offset = raw.get().as_ptr().addr().saturating_sub(start);
            Entry::Malformed(Malformed { index, offset, field: error.field, problem: error.problem })
        };
        if raw.get().len() > MAX_SPAN {
            return malformed(FieldError::new("", format!("must have at most {MAX_SPAN} bytes")));
        }
        let spans = match self.version {
            Version::V2 => span::read(raw).map(|span| vec![span]),
            Version::V1 => v1::read(raw),
        };
        match spans {
            Ok(mut spans) => {
                // The client's comes first.
                spans.reverse();
                let first = spans.pop();
                self.further = spans;
                first.map_or(Entry::Nothing, |span| Entry::Span(form.of_span(span)))
            }
            Err(error) => malformed(error),
        }
    }

    /// The next element, or the offset of an error and what it is.
    fn element<F: Form>(
        &mut self,
        form: &mut F,
    ) -> Result<Option<Element<'a, F::Span<'a>>>, (usize, String)> {
        loop {
            let rest = self.text.get(self.offset..).unwrap_or_default();
            let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r']);
            self.offset += rest.len() - trimmed.len();
            let first = trimmed.as_bytes().first();
            let expected = |expected: &str| Err((self.offset, format!("expected {expected}")));
            self.next = match (self.next, first) {
                (Next::Opening, Some(b'[')) => Next::FirstElement,
                (Next::Opening, _) => return expected("a list of spans"),
                (Next::FirstElement | Next::Separator, Some(b']')) => Next::Nothing,
                (Next::Separator, Some(b',')) => Next::Element,
                (Next::Separator, _) => return expected("`,` or `]`"),
                (Next::Nothing, None) if !self.is_cut => return Ok(None),
                (Next::Broken, _) => return Ok(None),
                (Next::Nothing, _) => return expected("no more characters"),
                (Next::FirstElement | Next::Element, _) => {
                    // Most spans are read in this one pass.
                    let limit = trimmed.floor_char_boundary(MAX_SPAN);
                    if self.version == Version::V2
                        && let Some((span, length)) =
                            plain::read(trimmed.get(..limit).unwrap_or_default(), form)
                    {
                        self.offset += length;
                        self.next = Next::Separator;
                        return Ok(Some(Element::Span(span)));
                    }
                    let mut values = serde_json::Deserializer::from_str(trimmed).into_iter::<&RawValue>();
                    return match values.next() {
                        Some(Ok(raw)) => {
                            self.offset += values.byte_offset();
                            self.next = Next::Separator;
                            Ok(Some(Element::Raw(raw)))
                        }
                        Some(Err(error)) => {
                            Err((self.offset + offset(trimmed, &error), field::shortened(&error.to_string())))
                        }
                        None => expected("a span"),
                    };
                }
            };
            self.offset += 1;
        }
    }
}

/// The byte offset of an error; `serde_json` reports a line and a column in bytes, both from one.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let before: usize = lines.map(str::len).sum();
    (before + error.column().saturating_sub(1)).min(text.len())
}

#[cfg(test)]
mod tests;
