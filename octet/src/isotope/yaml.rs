//! YAML as a tree with the line of each value.

use saphyr_parser::{Event, Parser};

/// Bytes of the largest file.
const MAX_BYTES: usize = 256 * 1024;

/// How deeply values may be nested.
const MAX_DEPTH: usize = 32;

/// A value, with its line, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// A value. Scalars are texts: the format says which ones are numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// Why a file is not read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {problem}")]
pub(crate) struct InvalidYaml {
    /// The line, counted from 1.
    pub(super) line: usize,
    /// What is wrong there.
    pub(super) problem: String,
}

impl InvalidYaml {
    pub(super) fn new(line: usize, problem: impl Into<String>) -> Self {
        Self { line, problem: problem.into() }
    }
}

impl Node {
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The field of this name; `None` also where this is not a map.
    pub(super) fn field(&self, name: &str) -> Option<&Node> {
        self.fields().find(|(key, _)| key.scalar() == Some(name)).map(|(_, value)| value)
    }

    /// The fields; none where this is not a map.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&Node, &Node)> {
        let fields = match &self.value {
            Value::Map(fields) => fields.as_slice(),
            _ => &[],
        };
        fields.iter().map(|(key, value)| (key, value))
    }
}

/// A list or map that is being read.
enum Open {
    List(usize, Vec<Node>),
    /// With the key whose value comes next.
    Map(usize, Vec<(Node, Node)>, Option<Node>),
}

impl Open {
    fn add(&mut self, node: Node) {
        match self {
            Self::List(_, items) => items.push(node),
            Self::Map(_, fields, key) => match key.take() {
                Some(key) => fields.push((key, node)),
                None => *key = Some(node),
            },
        }
    }

    fn close(self) -> Node {
        match self {
            Self::List(line, items) => Node { line, value: Value::List(items) },
            Self::Map(line, fields, _) => Node { line, value: Value::Map(fields) },
        }
    }
}

/// Reads the only document of `text`. Aliases are refused: a few lines with them can stand for gigabytes.
///
/// # Errors
/// The first problem.
pub(super) fn read(text: &str) -> Result<Node, InvalidYaml> {
    if text.len() > MAX_BYTES {
        return Err(InvalidYaml::new(1, format!("larger than the limit of {} KiB", MAX_BYTES / 1024)));
    }
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            InvalidYaml::new(error.marker().line(), format!("not YAML: {}", error.info()))
        })?;
        let line = span.start.line();
        let node = match event {
            Event::SequenceStart(..) => {
                open.push(Open::List(line, Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(line, Vec::new(), None));
                None
            }
            Event::Scalar(text, ..) => Some(Node { line, value: Value::Scalar(text.into_owned()) }),
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(Open::close),
            Event::Alias(_) => return Err(InvalidYaml::new(line, "aliases are not supported")),
            Event::DocumentStart(..) if root.is_some() => {
                return Err(InvalidYaml::new(line, "must be one document"));
            }
            _ => None,
        };
        if open.len() > MAX_DEPTH {
            return Err(InvalidYaml::new(line, format!("nested more than {MAX_DEPTH} times")));
        }
        if let Some(node) = node {
            match open.last_mut() {
                Some(parent) => parent.add(node),
                None => root = Some(node),
            }
        }
    }
    root.ok_or_else(|| InvalidYaml::new(1, "the file is empty"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_lines() {
        let root = read("a: 1\nb:\n- c\n- {d: e}\n").unwrap();
        assert_eq!(root.field("a").unwrap().scalar(), Some("1"));
        let Value::List(items) = &root.field("b").unwrap().value else { panic!("a list") };
        assert_eq!(items.iter().map(|item| item.line).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(items[1].field("d").unwrap().scalar(), Some("e"));
    }

    #[test]
    fn what_is_not_one_small_document_is_refused_with_its_line() {
        for (text, line, problem) in [
            ("", 1, "empty"),
            ("a: [1\nb: 2", 2, "not YAML"),
            ("a: &x 1\nb: *x\n", 2, "aliases"),
            ("a: 1\n---\nb: 2\n", 2, "one document"),
            (&"[".repeat(100), 1, "nested"),
            (&" ".repeat(300_000), 1, "larger than"),
        ] {
            let refused = read(text).expect_err(text);
            assert!(refused.problem.contains(problem), "{refused}");
            assert_eq!(refused.line, line, "{refused}");
        }
        read(&"[".repeat(100_000)).expect_err("without a stack overflow");
    }
}
