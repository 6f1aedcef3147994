//! What is wrong with a topology, for people to read.

use std::{error::Error, fmt};

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The dotted path of the value, `service[3].calls[1]`; empty where the text is not TOML.
    pub place: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters (Unicode scalar values).
    pub column: usize,
    /// What is wrong, on one line.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: ", self.line, self.column)?;
        if !self.place.is_empty() {
            write!(formatter, "{}: ", self.place)?;
        }
        formatter.write_str(&self.message)
    }
}

/// Everything that is wrong with one topology, in the order of the text; never empty.
///
/// Displays as one line a fault, each beginning with the origin: `topology.toml:12:9: service[3].calls[1]: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    origin: String,
    faults: Vec<Fault>,
}

#[expect(clippy::len_without_is_empty, reason = "faults are never empty")]
impl Faults {
    pub(crate) fn new(origin: &str, faults: Vec<Fault>) -> Self {
        Self { origin: origin.to_owned(), faults }
    }

    /// What the text was called when it was parsed, usually its file's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The faults, in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.faults.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.faults.len()
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{}:{fault}", self.origin)?;
        }
        Ok(())
    }
}

impl Error for Faults {}
