//! Path templates of `google.api.http`.

mod matching;
mod open_path;
mod parse;

use std::{fmt, ops::Range};

pub(super) use matching::SplitPath;
pub use open_path::{OpenPath, PathParameter};

/// A parsed path template.
///
/// ```text
/// Template = "/" Segments [ Verb ] ;
/// Segments = Segment { "/" Segment } ;
/// Segment  = "*" | "**" | LITERAL | Variable ;
/// Variable = "{" FieldPath [ "=" Segments ] "}" ;
/// FieldPath = IDENT { "." IDENT } ;
/// Verb     = ":" LITERAL ;
/// ```
///
/// `*` matches one segment, an empty one included (as grpc-gateway has it), `**` none or more, and `**` must
/// come last. `/` alone is a template too.
#[derive(Debug, Clone)]
pub struct Template {
    text: String,
    segments: Vec<Segment>,
    verb: Option<String>,
    variables: Vec<Variable>,
}

/// One segment. The order of the variants is the order of precedence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// This text, percent-decoded.
    Literal(String),
    /// `*`
    One,
    /// `**`
    Rest,
}

/// Consecutive segments that are bound to a field.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    names: Vec<String>,
    segments: Range<usize>,
    spans_many: bool,
}

/// Why a text is not a path template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {position}: {problem}")]
pub struct TemplateError {
    /// The byte offset in the template.
    pub position: usize,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// The first position at which `text` does not follow the grammar.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::parse(text)
    }

    /// The fields that the template binds, as dotted paths, in the order of the text.
    pub fn variables(&self) -> impl Iterator<Item = String> + '_ {
        self.variables.iter().map(|variable| variable.names.join("."))
    }

    /// The text that the variables capture from `path` (percent-encoded, without query), in the order of
    /// [`variables`](Self::variables) and still encoded; `None` if the path does not match.
    pub fn captures<'p>(&self, path: &'p str) -> Option<Vec<&'p str>> {
        self.captures_of(&SplitPath::new(path)?)
    }

    pub(super) fn bound(&self) -> &[Variable] {
        &self.variables
    }

    /// Orders templates that match the same path, most specific first: a template with a verb before one without; then,
    /// segment by segment, a literal before `*` before `**`. Two templates of equal precedence match the same paths.
    pub(super) fn precedence(&self) -> impl Ord + '_ {
        (self.verb.is_none(), &self.segments, &self.verb)
    }
}

impl Variable {
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether the variable can capture several segments. Encoded slashes then stay encoded.
    pub(super) fn spans_many(&self) -> bool {
        self.spans_many
    }
}

/// The text that the template was parsed from. There are few templates, so it can label a metric.
impl fmt::Display for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
