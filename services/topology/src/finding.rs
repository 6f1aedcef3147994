//! What is wrong with a topology, with positions for people.

use std::{error::Error, fmt};

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The path of the value, `service[3].calls[1]`; empty where the text is not TOML.
    pub path: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters (Unicode scalar values).
    pub column: usize,
    /// What is wrong, on one line.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.message)
    }
}

/// Everything that is wrong with one topology, in the order of the text; never empty.
///
/// Displays one finding a line, each with the origin first: `topology.toml:12:9: service[3].calls[1]: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    origin: String,
    findings: Vec<Finding>,
}

#[expect(clippy::len_without_is_empty, reason = "findings are never empty")]
impl Findings {
    pub(crate) fn new(origin: &str, findings: Vec<Finding>) -> Self {
        Self { origin: origin.to_owned(), findings }
    }

    /// The name of the text, usually its file's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The findings, in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.findings.iter()
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.findings.len()
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{}:{finding}", self.origin)?;
        }
        Ok(())
    }
}

impl Error for Findings {}
