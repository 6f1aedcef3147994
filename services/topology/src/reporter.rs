//! Collects findings while a file is read.

use crate::finding::{Finding, Findings};

/// The position of a value: its path, and the offset of its first byte in the text.
#[derive(Debug, Clone)]
pub struct Position {
    /// `service[3].calls[1]`.
    pub path: String,
    /// In bytes.
    pub offset: usize,
}

/// The findings so far, in the order of the checks.
#[derive(Debug, Default)]
pub struct Reporter {
    found: Vec<(Position, String)>,
}

impl Reporter {
    /// Adds a finding.
    pub fn report(&mut self, position: &Position, message: impl Into<String>) {
        self.found.push((position.clone(), message.into()));
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Sorts the findings by their position in `text`, and those of one position by the order of the checks.
    ///
    /// Counts lines and columns in one pass over the text, however many findings there are.
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
