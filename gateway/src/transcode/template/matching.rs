//! Matching a path against a template: one pass over the segments without backtracking, since `**` is always last.

use std::ops::Range;

use super::{Segment, Template, Variable};
use crate::transcode::percent::{self, Part};

/// A request's path, split at its slashes once for all templates.
#[derive(Debug)]
pub(in crate::transcode) struct SplitPath<'p> {
    text: &'p str,
    segments: Vec<Range<usize>>,
}

impl<'p> SplitPath<'p> {
    /// `None` unless the path begins with a slash (`OPTIONS *` does not).
    pub(in crate::transcode) fn new(text: &'p str) -> Option<Self> {
        let mut start = 1;
        let segments = text
            .strip_prefix('/')?
            .split('/')
            .map(|segment| {
                let range = start..start + segment.len();
                start = range.end + 1;
                range
            })
            .collect();
        Some(Self { text, segments })
    }

    /// The offset of `:verb` at the path's end; `None` if the path does not end so, or has nothing before the colon.
    fn end_before(&self, verb: &str) -> Option<usize> {
        let last = self.segments.last()?;
        let segment = self.text.get(last.clone())?;
        let (before, found) =
            segment.len().checked_sub(verb.len() + 1).and_then(|at| segment.split_at_checked(at))?;
        (!before.is_empty() && found.strip_prefix(':') == Some(verb)).then_some(last.start + before.len())
    }

    /// The text of one segment, up to `end`.
    fn segment(&self, range: &Range<usize>, end: usize) -> &'p str {
        self.text.get(range.start..range.end.min(end)).unwrap_or_default()
    }
}

impl Template {
    pub(in crate::transcode) fn captures_of<'p>(&self, path: &SplitPath<'p>) -> Option<Vec<&'p str>> {
        let fixed = match self.segments.split_last() {
            Some((Segment::Rest, before)) if path.segments.len() >= before.len() => before,
            Some((Segment::One | Segment::Literal(_), _)) if path.segments.len() == self.segments.len() => {
                &self.segments
            }
            _ => return None,
        };
        let end = match &self.verb {
            Some(verb) => path.end_before(verb)?,
            None => path.text.len(),
        };

        let fits = fixed.iter().zip(&path.segments).all(|(segment, range)| match segment {
            Segment::Literal(literal) => matches_literal(path.segment(range, end), literal),
            Segment::One | Segment::Rest => true,
        });
        fits.then(|| self.variables.iter().map(|variable| self.captured(variable, path, end)).collect())
    }

    /// One slice of the path, since a variable's segments are consecutive.
    fn captured<'p>(&self, variable: &Variable, path: &SplitPath<'p>, end: usize) -> &'p str {
        let last = if variable.segments.end == self.segments.len() && self.ends_with_rest() {
            path.segments.last()
        } else {
            path.segments.get(variable.segments.end.saturating_sub(1))
        };
        match (path.segments.get(variable.segments.start), last) {
            (Some(first), Some(last)) => path.text.get(first.start..last.end.min(end)).unwrap_or_default(),
            // `**` matched no segment.
            _ => "",
        }
    }

    fn ends_with_rest(&self) -> bool {
        self.segments.last() == Some(&Segment::Rest)
    }
}

/// Whether a raw segment equals a literal once decoded: `%73helf` is `shelf` (RFC 3986, section 6.2.2.2).
fn matches_literal(raw: &str, literal: &str) -> bool {
    raw == literal
        || (raw.contains('%') && percent::decode(raw, Part::Segment).is_ok_and(|decoded| decoded == literal))
}
