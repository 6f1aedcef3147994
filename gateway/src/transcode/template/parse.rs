//! A recursive-descent parser of path templates, two levels deep.

use super::{Segment, Template, TemplateError, Variable};
use crate::transcode::percent::{self, Part};

pub(super) fn parse(text: &str) -> Result<Template, TemplateError> {
    let mut parser = Parser { text, position: 0, segments: Vec::new(), variables: Vec::new() };
    parser.expect('/', "a template must start with `/`")?;
    if parser.peek().is_none() {
        parser.segments.push(Segment::Literal(String::new()));
        return Ok(parser.finish(None));
    }

    let verb = loop {
        match parser.segment()? {
            SegmentEnd::Verb(verb) => break Some(verb),
            SegmentEnd::Segment if parser.take('/') => {}
            SegmentEnd::Segment if parser.take(':') => break Some(parser.verb()?),
            SegmentEnd::Segment if parser.peek().is_none() => break None,
            SegmentEnd::Segment => return Err(parser.error("expected `/`, `:` and a verb, or the end")),
        }
    };
    if let Some(position) = parser.misplaced_rest() {
        return Err(TemplateError { position, problem: "`**` must be the last segment".to_owned() });
    }
    Ok(parser.finish(verb))
}

/// What ended a segment: the last literal can contain the verb.
enum SegmentEnd {
    Segment,
    Verb(String),
}

struct Parser<'t> {
    text: &'t str,
    position: usize,
    segments: Vec<Segment>,
    variables: Vec<Variable>,
}

impl<'t> Parser<'t> {
    fn finish(self, verb: Option<String>) -> Template {
        Template { text: self.text.to_owned(), segments: self.segments, verb, variables: self.variables }
    }

    fn segment(&mut self) -> Result<SegmentEnd, TemplateError> {
        if self.take('{') {
            self.variable()?;
            return Ok(SegmentEnd::Segment);
        }
        if self.wildcard() {
            return Ok(SegmentEnd::Segment);
        }

        let start = self.position;
        let mut literal = self.literal();
        // As in grpc-gateway, a colon is part of a literal, except the last one of the last segment.
        let verb = match literal.rsplit_once(':') {
            Some((before, verb)) if self.peek().is_none() => {
                literal = before;
                Some(self.checked_verb(verb)?)
            }
            _ => None,
        };
        if literal.is_empty() {
            return Err(TemplateError {
                position: start,
                ..self.error("a segment is empty, or has a character that is not allowed")
            });
        }
        self.segments.push(Segment::Literal(decoded(literal, start)?));
        Ok(verb.map_or(SegmentEnd::Segment, SegmentEnd::Verb))
    }

    fn variable(&mut self) -> Result<(), TemplateError> {
        let start = self.position;
        let mut names = vec![self.identifier()?];
        while self.take('.') {
            names.push(self.identifier()?);
        }
        if self.variables.iter().any(|variable| variable.names == names) {
            return Err(TemplateError {
                position: start,
                ..self.error("a variable binds the same field again")
            });
        }

        let first = self.segments.len();
        if self.take('=') {
            loop {
                self.segment_of_variable()?;
                if !self.take('/') {
                    break;
                }
            }
        } else {
            self.segments.push(Segment::One);
        }
        self.expect('}', "expected `}`")?;

        let spans_many = self.segments.len() - first > 1 || self.segments.last() == Some(&Segment::Rest);
        self.variables.push(Variable { names, segments: first..self.segments.len(), spans_many });
        Ok(())
    }

    fn segment_of_variable(&mut self) -> Result<(), TemplateError> {
        if self.peek() == Some('{') {
            // "The variable template must not contain other variables."
            return Err(self.error("a variable cannot contain a variable"));
        }
        if self.wildcard() {
            return Ok(());
        }
        let start = self.position;
        let literal = self.literal();
        if literal.is_empty() {
            return Err(self.error("a segment is empty, or has a character that is not allowed"));
        }
        self.segments.push(Segment::Literal(decoded(literal, start)?));
        Ok(())
    }

    fn wildcard(&mut self) -> bool {
        if !self.take('*') {
            return false;
        }
        let segment = if self.take('*') { Segment::Rest } else { Segment::One };
        self.segments.push(segment);
        true
    }

    fn verb(&mut self) -> Result<String, TemplateError> {
        let verb = self.literal();
        match self.peek() {
            None => self.checked_verb(verb),
            Some(_) => Err(self.error("a verb must be the last part")),
        }
    }

    fn checked_verb(&self, verb: &str) -> Result<String, TemplateError> {
        if verb.is_empty() { Err(self.error("the verb is empty")) } else { Ok(verb.to_owned()) }
    }

    /// The longest run of RFC 3986's `pchar` without `*`; possibly empty.
    fn literal(&mut self) -> &'t str {
        let start = self.position;
        self.skip(|character| character.is_ascii_alphanumeric() || "-._~%!$&'()+,;=:@".contains(character));
        self.text.get(start..self.position).unwrap_or_default()
    }

    fn identifier(&mut self) -> Result<String, TemplateError> {
        if !self.peek().is_some_and(|first| first.is_ascii_alphabetic() || first == '_') {
            return Err(self.error("expected a field name: a letter or `_`, then letters, digits and `_`"));
        }
        let start = self.position;
        self.skip(|character| character.is_ascii_alphanumeric() || character == '_');
        Ok(self.text.get(start..self.position).unwrap_or_default().to_owned())
    }

    /// The offset of a `**` that is not the last segment.
    fn misplaced_rest(&self) -> Option<usize> {
        let (_, before) = self.segments.split_last()?;
        // A literal cannot contain `*`, so this is the first `**` of the text.
        before.contains(&Segment::Rest).then(|| self.text.find("**")).flatten()
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.position..)?.chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.position += wanted.len_utf8();
        }
        found
    }

    fn skip(&mut self, allowed: impl Fn(char) -> bool) {
        while let Some(character) = self.peek().filter(|character| allowed(*character)) {
            self.position += character.len_utf8();
        }
    }

    fn expect(&mut self, wanted: char, problem: &str) -> Result<(), TemplateError> {
        if self.take(wanted) { Ok(()) } else { Err(self.error(problem)) }
    }

    fn error(&self, problem: &str) -> TemplateError {
        TemplateError { position: self.position, problem: problem.to_owned() }
    }
}

fn decoded(literal: &str, position: usize) -> Result<String, TemplateError> {
    match percent::decode(literal, Part::Segment) {
        Ok(text) => Ok(text.into_owned()),
        Err(error) => Err(TemplateError { position, problem: error.to_string() }),
    }
}
