//! A template as an OpenAPI path: each wildcard is a parameter of its own.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Segment, Template};

/// A path with its parameters in braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPath {
    /// The path. Literals are percent-encoded.
    pub path: String,
    /// The path with every parameter as `{}`: to OpenAPI, two paths of one shape are the same.
    pub shape: String,
    /// The parameters in the order of the path.
    pub parameters: Vec<PathParameter>,
}

/// A wildcard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathParameter {
    /// The name in braces.
    pub name: String,
    /// The index of the template's variable that it belongs to; `None` if nothing is bound.
    pub variable: Option<usize>,
    /// Whether it is the whole variable, and not one of several segments.
    pub is_whole: bool,
    /// Whether it can contain slashes and be empty.
    pub is_rest: bool,
}

impl Template {
    /// The template as an OpenAPI path.
    pub fn open_path(&self) -> OpenPath {
        let mut path = String::new();
        let mut shape = String::new();
        let mut parameters: Vec<PathParameter> = Vec::new();
        for (index, segment) in self.segments.iter().enumerate() {
            path.push('/');
            shape.push('/');
            let Segment::Literal(text) = segment else {
                let parameter = self.parameter(index, *segment == Segment::Rest, &parameters);
                // Writing to a String cannot fail.
                let _ = write!(path, "{{{}}}", parameter.name);
                shape.push_str("{}");
                parameters.push(parameter);
                continue;
            };
            encode(text, &mut path);
            encode(text, &mut shape);
        }
        if let Some(verb) = &self.verb {
            for text in [&mut path, &mut shape] {
                text.push(':');
                encode(verb, text);
            }
        }
        OpenPath { path, shape, parameters }
    }

    fn parameter(&self, index: usize, is_rest: bool, before: &[PathParameter]) -> PathParameter {
        let found = self.variables.iter().position(|variable| variable.segments.contains(&index));
        let variable = found.and_then(|found| self.variables.get(found));
        let is_whole = variable.is_some_and(|variable| variable.segments.len() == 1);
        let base = variable.map_or_else(|| "any".to_owned(), |variable| variable.names.join("."));
        let mut name = base.clone();
        let mut number = 1;
        while (!is_whole && number == 1) || before.iter().any(|parameter| parameter.name == name) {
            name = format!("{base}.{number}");
            number += 1;
        }
        PathParameter { name, variable: found, is_whole, is_rest }
    }
}

/// RFC 3986's `pchar` without `:`, which would read as a verb.
const LITERAL: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

fn encode(text: &str, into: &mut String) {
    into.extend(utf8_percent_encode(text, &LITERAL));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(template: &str) -> (String, Vec<(String, bool)>) {
        let open = Template::parse(template).unwrap().open_path();
        let parameters = open.parameters.into_iter().map(|parameter| (parameter.name, parameter.is_whole));
        (open.path, parameters.collect())
    }

    #[test]
    fn every_wildcard_is_a_parameter_of_its_own() {
        for (template, path, names) in [
            ("/", "/", vec![]),
            ("/v1/shelves/{shelf}", "/v1/shelves/{shelf}", vec![("shelf", true)]),
            (
                "/v1/{name=shelves/*/books/*}:move",
                "/v1/shelves/{name.1}/books/{name.2}:move",
                vec![("name.1", false), ("name.2", false)],
            ),
            ("/v1/files/{path=**}", "/v1/files/{path}", vec![("path", true)]),
            ("/v1/any/**", "/v1/any/{any.1}", vec![("any.1", false)]),
            ("/v1/{nested.text}", "/v1/{nested.text}", vec![("nested.text", true)]),
        ] {
            let names = names.into_iter().map(|(name, is_whole)| (name.to_owned(), is_whole)).collect();
            assert_eq!(open(template), (path.to_owned(), names), "{template}");
        }
    }
}
