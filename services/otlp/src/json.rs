//! OTLP in JSON.

mod decode;
mod list;
mod value;

use octet_zipkin::read::{Broken, Entry, Intern, Malformed};
use serde_json::value::RawValue;

use self::list::List;
use crate::{
    MAX_SPAN,
    convert::convert,
    origin::{Resource, Scope},
    span::Fault,
};

/// Reads an `ExportTraceServiceRequest` in JSON span by span.
#[derive(Debug)]
pub struct JsonReader<'a> {
    body: &'a [u8],
    /// Resource spans that were not read; `None` before the start.
    resources: Option<List<'a>>,
    /// Scope spans of the current resource, and their resource.
    scopes: List<'a>,
    resource: Resource<'a>,
    /// Spans of the current scope, and their scope.
    spans: List<'a>,
    scope: Scope<'a>,
    index: usize,
    is_broken: bool,
}

/// Where and why a text is no report.
struct NoReport {
    offset: usize,
    problem: String,
}

impl<'a> JsonReader<'a> {
    /// A reader at the start of a report.
    pub fn new(body: &'a [u8]) -> Self {
        Self {
            body,
            resources: None,
            scopes: List::default(),
            resource: Resource::default(),
            spans: List::default(),
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
            Err(NoReport { offset, problem }) => {
                self.is_broken = true;
                Some(Entry::Broken(Broken { index: self.index, offset, problem }))
            }
        }
    }

    fn step(&mut self, texts: &mut impl Intern) -> Result<Option<Entry>, NoReport> {
        if let Some(span) = self.spans.next() {
            return Ok(Some(self.entry(span, texts)));
        }
        if let Some(raw) = self.scopes.next() {
            let scope = decode::scope_spans(raw).map_err(|fault| self.no_report(raw, &fault))?;
            (self.scope, self.spans) = (scope.scope, self.list(raw, "spans", scope.spans)?);
            return Ok(Some(Entry::Nothing));
        }
        let Some(resources) = &mut self.resources else {
            let raw = self.whole()?;
            let all = decode::request(raw).map_err(|fault| self.no_report(raw, &fault))?;
            self.resources = Some(self.list(raw, "resourceSpans", all)?);
            return Ok(Some(Entry::Nothing));
        };
        let Some(raw) = resources.next() else { return Ok(None) };
        let resource = decode::resource_spans(raw).map_err(|fault| self.no_report(raw, &fault))?;
        self.scopes = self.list(raw, "scopeSpans", resource.scope_spans)?;
        self.resource = resource.resource;
        Ok(Some(Entry::Nothing))
    }

    /// The whole body, which is well-formed JSON.
    fn whole(&self) -> Result<&'a RawValue, NoReport> {
        let text = std::str::from_utf8(self.body)
            .map_err(|error| NoReport { offset: error.valid_up_to(), problem: "is not UTF-8".to_owned() })?;
        serde_json::from_str(text).map_err(|error| NoReport {
            offset: list::offset(text, &error),
            problem: "is not JSON".to_owned(),
        })
    }

    fn list(&self, within: &RawValue, name: &str, raw: Option<&'a RawValue>) -> Result<List<'a>, NoReport> {
        let Some(raw) = raw else { return Ok(List::default()) };
        List::new(raw).ok_or_else(|| self.no_report(within, &Fault::new(name, "must be a list")))
    }

    fn no_report(&self, raw: &RawValue, Fault { field, problem }: &Fault) -> NoReport {
        NoReport { offset: self.offset(raw), problem: format!("{field} {problem}").trim_start().to_owned() }
    }

    fn entry(&mut self, raw: &'a RawValue, texts: &mut impl Intern) -> Entry {
        let index = self.index;
        self.index += 1;
        let converted = if raw.get().len() > MAX_SPAN {
            Err(Fault::new("", format!("must have at most {MAX_SPAN} bytes")))
        } else {
            decode::span(raw).and_then(|span| convert(span, &self.resource, &self.scope, texts))
        };
        match converted {
            Ok(span) => Entry::Span(span),
            Err(Fault { field, problem }) => {
                Entry::Malformed(Malformed { index, offset: self.offset(raw), field, problem })
            }
        }
    }

    fn offset(&self, raw: &RawValue) -> usize {
        raw.get().as_ptr().addr().saturating_sub(self.body.as_ptr().addr()).min(self.body.len())
    }
}
