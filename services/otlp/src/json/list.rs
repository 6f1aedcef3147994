//! A JSON list, read element by element.

use serde_json::value::RawValue;

/// The elements of a list that were not read. The list is well-formed JSON: it is part of a text that was parsed.
#[derive(Debug, Default)]
pub(super) struct List<'a> {
    rest: &'a str,
}

impl<'a> List<'a> {
    /// `None` for anything but a list.
    pub(super) fn new(raw: &'a RawValue) -> Option<Self> {
        raw.get().strip_prefix('[').map(|rest| Self { rest })
    }
}

impl<'a> Iterator for List<'a> {
    type Item = &'a RawValue;

    fn next(&mut self) -> Option<&'a RawValue> {
        let rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', ',']);
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        // The closing bracket is no value.
        let value = values.next().and_then(Result::ok);
        self.rest = rest.get(values.byte_offset()..).filter(|_| value.is_some()).unwrap_or_default();
        value
    }
}

/// The byte offset of an error; `serde_json` reports a line and a column in bytes, both from one.
pub(super) fn offset(text: &str, error: &serde_json::Error) -> usize {
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let before: usize = lines.map(str::len).sum();
    (before + error.column().saturating_sub(1)).min(text.len())
}
