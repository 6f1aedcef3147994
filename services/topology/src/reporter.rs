//! Where findings are gathered while a topology is read.

use crate::finding::{Finding, Findings};

/// Where a value stands: its dotted path, and its first byte in the text.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    pub(crate) path: String,
    pub(crate) offset: usize,
}

/// The findings found so far, in whatever order the checks found them.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    found: Vec<(Position, String)>,
}

impl Reporter {
    pub(crate) fn report(&mut self, position: &Position, message: impl Into<String>) {
        self.found.push((position.clone(), message.into()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The findings in the order of `text`, those of one position in the order they were found.
    ///
    /// Lines and columns are counted in one pass over the text, however many findings there are.
    pub(crate) fn finish(mut self, text: &str, origin: &str) -> Findings {
        self.found.sort_by_key(|(position, _)| position.offset);

        let mut characters = text.char_indices().peekable();
        let (mut line, mut column) = (1, 1);
        let mut findings = Vec::with_capacity(self.found.len());
        for (Position { path, offset }, message) in self.found {
            while let Some((_, character)) = characters.next_if(|(at, _)| *at < offset) {
                (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
            }
            findings.push(Finding { path, line, column, message });
        }
        Findings::new(origin, findings)
    }
}
