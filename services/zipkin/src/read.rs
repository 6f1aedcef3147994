//! A report of spans: a JSON list, read span by span, so that one that is malformed costs no other.

mod field;
mod plain;
mod span;

use std::fmt;

use serde::{
    Deserializer, Serialize,
    de::{SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{Span, Text};

/// Malformed spans that are described one by one; more are counted.
const DESCRIBED: usize = 32;

/// What a report held.
#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    /// The well-formed spans, in their order.
    pub spans: Vec<Span>,
    /// What was wrong with the first 32 others.
    pub malformed: Vec<Malformed>,
    /// How many were malformed in all.
    pub malformed_count: usize,
    /// Where the text ceased to be a JSON list, if it did; what stood after that is unknown.
    pub broken: Option<Broken>,
}

/// A span that is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Malformed {
    /// Its place in the list, from zero.
    pub index: usize,
    /// The byte at which it begins.
    pub offset: usize,
    /// The member at fault, such as `localEndpoint.port` or `annotations[2].value`; empty for the whole span.
    pub field: String,
    /// What is wrong with it, and what is allowed.
    pub problem: String,
}

/// A text that is no JSON list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The place in the list that was being read, from zero.
    pub index: usize,
    /// The byte at which it is no JSON any more.
    pub offset: usize,
    /// Why not.
    pub problem: String,
}

/// Where a report's texts come from: whoever keeps equal texts once spares their copies.
pub trait Intern {
    /// A text equal to this one.
    fn intern(&mut self, text: &str) -> Text;
}

/// Copies each text.
struct Copies;

impl Intern for Copies {
    fn intern(&mut self, text: &str) -> Text {
        text.into()
    }
}

impl Batch {
    /// Reads a report.
    pub fn read(bytes: &[u8]) -> Self {
        Self::read_with(bytes, &mut Copies)
    }

    /// Reads a report; every text of its spans, and no other, is what `texts` made of it.
    pub fn read_with(bytes: &[u8], texts: &mut impl Intern) -> Self {
        let (text, is_cut) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, false),
            // Not a panic: what precedes the first wrong byte is UTF-8.
            Err(error) => {
                let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                (std::str::from_utf8(valid).unwrap_or_default(), true)
            }
        };
        let mut batch = Self::default();
        let mut index = 0;
        let mut reader = serde_json::Deserializer::from_str(text);
        let report = Report { text, texts, batch: &mut batch, index: &mut index };
        let read = reader.deserialize_seq(report).and_then(|()| reader.end());
        if is_cut {
            batch.broken = Some(Broken { index, offset: text.len(), problem: "is not UTF-8".to_owned() });
        } else if let Err(error) = read {
            let offset = offset(text, &error);
            batch.broken = Some(Broken { index, offset, problem: field::shortened(&error.to_string()) });
        }
        batch
    }

    /// Whether every span of the report was read.
    pub fn is_whole(&self) -> bool {
        self.malformed_count == 0 && self.broken.is_none()
    }
}

/// The list, whose elements are taken as they come.
struct Report<'a, 'b, I> {
    text: &'a str,
    texts: &'b mut I,
    batch: &'b mut Batch,
    index: &'b mut usize,
}

impl<'a, I: Intern> Visitor<'a> for Report<'a, '_, I> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of spans")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(raw) = list.next_element::<&RawValue>()? {
            if let Some(span) = plain::read(raw, self.texts) {
                self.batch.spans.push(span);
                *self.index += 1;
                continue;
            }
            match span::read(raw) {
                Ok(mut span) => {
                    for text in span.texts_mut() {
                        *text = self.texts.intern(text);
                    }
                    self.batch.spans.push(span);
                }
                Err(fault) => {
                    self.batch.malformed_count += 1;
                    if self.batch.malformed.len() < DESCRIBED {
                        let begin = raw.get().as_ptr().addr();
                        self.batch.malformed.push(Malformed {
                            index: *self.index,
                            offset: begin.saturating_sub(self.text.as_ptr().addr()),
                            field: fault.field,
                            problem: fault.problem,
                        });
                    }
                }
            }
            *self.index += 1;
        }
        Ok(())
    }
}

/// `serde_json` counts lines and, in bytes, columns; both from one.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let before: usize = lines.map(str::len).sum();
    (before + error.column().saturating_sub(1)).min(text.len())
}

#[cfg(test)]
mod tests;
