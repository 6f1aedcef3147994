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
    /// This text and no other, percent-decoded.
    Literal(String),
    /// `*`
    One,
    /// `**`
    Rest,
}

/// A run of segments that is bound to a field.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    names: Vec<String>,
    segments: Range<usize>,
    spans_many: bool,
}

/// Why a text is no path template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {position}: {problem}")]
pub struct TemplateError {
    /// Where, in bytes from the template's start.
    pub position: usize,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// The first place at which `text` leaves the grammar.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::parse(text)
    }

    /// The fields the template binds, each as its dotted path, in the order of the text.
    pub fn variables(&self) -> impl Iterator<Item = String> + '_ {
        self.variables.iter().map(|variable| variable.names.join("."))
    }

    /// What the variables capture from `path` (percent-encoded, without query), in the order of
    /// [`variables`](Self::variables) and still encoded; `None` where the path does not match.
    pub fn captures<'p>(&self, path: &'p str) -> Option<Vec<&'p str>> {
        self.captures_of(&SplitPath::new(path)?)
    }

    pub(super) fn bound(&self) -> &[Variable] {
        &self.variables
    }

    /// What decides between templates that match the same path, smallest first: one whose verb the path
    /// ends with goes before one without, then, segment by segment, a literal before `*` before `**`. Two
    /// templates with the same key match the same paths.
    pub(super) fn precedence(&self) -> impl Ord + '_ {
        (self.verb.is_none(), &self.segments, &self.verb)
    }
}

impl Variable {
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether the variable can capture more than one segment, so that an encoded slash stays encoded.
    pub(super) fn spans_many(&self) -> bool {
        self.spans_many
    }
}

/// The text the template was parsed from: a name for the route of few values, fit for a metric's label.
impl fmt::Display for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
