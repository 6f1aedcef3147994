//! OTLP in protobuf.

mod decode;
mod value;

use octet_wire::{Fields, NoMessage, Value};
use octet_zipkin::read::{Broken, Entry, Intern, Malformed};

use crate::{
    MAX_SPAN,
    convert::convert,
    origin::{Resource, Scope},
    span::Fault,
};

/// Reads an `ExportTraceServiceRequest` in protobuf span by span.
#[derive(Debug)]
pub struct ProtoReader<'a> {
    body: &'a [u8],
    /// Resource spans that were not read.
    resources: Fields<'a>,
    /// Scope spans of the current resource, and their resource.
    scopes: Fields<'a>,
    resource: Resource<'a>,
    /// Spans of the current scope, and their scope.
    spans: Fields<'a>,
    scope: Scope<'a>,
    index: usize,
    is_broken: bool,
}

impl<'a> ProtoReader<'a> {
    /// A reader at the start of a report.
    pub fn new(body: &'a [u8]) -> Self {
        let empty = Fields::new(&[]);
        Self {
            body,
            resources: Fields::new(body),
            scopes: empty,
            resource: Resource::default(),
            spans: empty,
            scope: Scope::default(),
            index: 0,
            is_broken: false,
        }
    }

    /// The next element; `None` after the last. `texts` provides every text of a well-formed span, and no other.
    pub fn next_entry(&mut self, texts: &mut impl Intern) -> Option<Entry> {
        if self.is_broken {
            return None;
        }
        match self.step(texts) {
            Ok(entry) => entry,
            Err(offset) => {
                self.is_broken = true;
                Some(Entry::Broken(Broken {
                    index: self.index,
                    offset,
                    problem: NoMessage::PROBLEM.to_owned(),
                }))
            }
        }
    }

    /// Reads one field; the error is the offset of bytes that are no message.
    fn step(&mut self, texts: &mut impl Intern) -> Result<Option<Entry>, usize> {
        if let Some((number, value)) = next(&mut self.spans, self.body)? {
            let Some(span) = value.bytes().filter(|_| number == decode::SPANS) else {
                return Ok(Some(Entry::Nothing));
            };
            return Ok(Some(self.entry(span, texts)));
        }
        if let Some((number, value)) = next(&mut self.scopes, self.body)? {
            if let Some(scope) = value.bytes().filter(|_| number == decode::SCOPE_SPANS) {
                self.scope = decode::scope(scope).map_err(|_| offset(scope, self.body))?;
                self.spans = Fields::new(scope);
            }
            return Ok(Some(Entry::Nothing));
        }
        let Some((number, value)) = next(&mut self.resources, self.body)? else { return Ok(None) };
        if let Some(resource) = value.bytes().filter(|_| number == decode::RESOURCE_SPANS) {
            self.resource = decode::resource(resource).map_err(|_| offset(resource, self.body))?;
            self.scopes = Fields::new(resource);
        }
        Ok(Some(Entry::Nothing))
    }

    fn entry(&mut self, span: &'a [u8], texts: &mut impl Intern) -> Entry {
        let index = self.index;
        self.index += 1;
        let converted = if span.len() > MAX_SPAN {
            Err(Fault::new("", format!("must have at most {MAX_SPAN} bytes")))
        } else {
            decode::span(span).and_then(|span| convert(span, &self.resource, &self.scope, texts))
        };
        match converted {
            Ok(span) => Entry::Span(span),
            Err(Fault { field, problem }) => {
                Entry::Malformed(Malformed { index, offset: offset(span, self.body), field, problem })
            }
        }
    }
}

/// The next field of a message within `body`; the error is the offset where it stops being one.
fn next<'a>(fields: &mut Fields<'a>, body: &[u8]) -> Result<Option<(u32, Value<'a>)>, usize> {
    let at = fields.rest();
    fields.next().map_err(|_| offset(at, body))
}

/// The offset of a part of `body`.
fn offset(part: &[u8], body: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(body.as_ptr().addr()).min(body.len())
}
