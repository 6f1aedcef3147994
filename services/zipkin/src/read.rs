//! Parses a report: a JSON list of spans, read one by one, so that a malformed span does not affect the others.

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

/// The maximum number of malformed spans that are described; further ones are only counted.
const MAX_DESCRIBED: usize = 32;

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
struct Copies;

impl Intern for Copies {
    fn intern(&mut self, text: &str) -> Text {
        text.into()
    }
}

impl Batch {
    /// Parses a report.
    pub fn read(bytes: &[u8]) -> Self {
        Self::read_with(bytes, &mut Copies)
    }

    /// Parses a report; `texts` provides every text of its well-formed spans, and no other.
    pub fn read_with(bytes: &[u8], texts: &mut impl Intern) -> Self {
        let (text, is_cut) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, false),
            // Reads what precedes the first invalid byte.
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

    /// Whether every span of the report is well-formed.
    pub fn is_whole(&self) -> bool {
        self.malformed_count == 0 && self.broken.is_none()
    }
}

/// Reads the elements of the list one by one.
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
                Err(error) => {
                    self.batch.malformed_count += 1;
                    if self.batch.malformed.len() < MAX_DESCRIBED {
                        let start = raw.get().as_ptr().addr();
                        self.batch.malformed.push(Malformed {
                            index: *self.index,
                            offset: start.saturating_sub(self.text.as_ptr().addr()),
                            field: error.field,
                            problem: error.problem,
                        });
                    }
                }
            }
            *self.index += 1;
        }
        Ok(())
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
