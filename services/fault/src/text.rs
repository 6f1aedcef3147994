//! Faults as a text: one a line, or several on a line between `;`.

use std::{borrow::Cow, error::Error, fmt};

use crate::{
    fault::{Fault, MAX_FAULTS},
    grammar::{Field, read_fields},
};

/// The largest text, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong, on one line.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// Everything that is wrong with a text, in its order; never empty. Displays one problem a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl Error for Problems {}

/// A position in the text, and the key of the field there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Position<'t> {
    line: usize,
    column: usize,
    key: Option<&'t str>,
}

/// Reads faults: `at=stock abort=UNAVAILABLE share=10%`, one a line or separated by `;`. A value with spaces or `;` stands in
/// double quotes. Empty lines, and what follows a `#` at the start of a word, are ignored.
///
/// # Errors
/// Everything that is wrong.
pub fn parse(text: &str) -> Result<Vec<Fault>, Problems> {
    if text.len() > MAX_BYTES {
        let message = format!("larger than the limit of {} KiB", MAX_BYTES / 1024);
        return Err(Problems(vec![Problem { line: 1, column: 1, message }]));
    }
    let mut found = Vec::new();
    let mut faults = Vec::new();
    let mut count = 0;
    for (line, text) in (1..).zip(text.split('\n')) {
        let mut words = Words { rest: text.char_indices().peekable(), text, column: 1 };
        while let Some(fields) = words.fault(line, &mut found) {
            let Some(start) = fields.first().map(|field| Position { key: None, ..field.key_at }) else {
                continue;
            };
            count += 1;
            if count > MAX_FAULTS {
                found.push((start, format!("must have at most {MAX_FAULTS} faults")));
                return Err(in_order(found));
            }
            match read_fields(&fields, &start) {
                Ok(fault) => faults.push(fault),
                Err(problems) => found.extend(problems),
            }
        }
    }
    if found.is_empty() { Ok(faults) } else { Err(in_order(found)) }
}

fn in_order(mut found: Vec<(Position<'_>, String)>) -> Problems {
    found.sort_by_key(|(position, _)| (position.line, position.column));
    let problem = |(Position { line, column, key }, message): (Position<'_>, String)| {
        let message = key.map_or(message.clone(), |key| format!("{}: {message}", shown(key)));
        Problem { line, column, message }
    };
    Problems(found.into_iter().map(problem).collect())
}

/// A key for a message: on one line, and short.
fn shown(key: &str) -> String {
    const MAX_CHARACTERS: usize = 40;
    let is_plain = key.len() <= MAX_CHARACTERS && key.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain {
        key.to_owned()
    } else {
        format!("{:?}", key.chars().take(MAX_CHARACTERS).collect::<String>())
    }
}

/// The words of one line.
struct Words<'t> {
    rest: std::iter::Peekable<std::str::CharIndices<'t>>,
    text: &'t str,
    column: usize,
}

impl<'t> Words<'t> {
    fn next(&mut self) -> Option<char> {
        let (_, character) = self.rest.next()?;
        self.column += 1;
        Some(character)
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().map(|(_, character)| *character)
    }

    fn offset(&mut self) -> usize {
        self.rest.peek().map_or(self.text.len(), |(offset, _)| *offset)
    }

    /// The characters while `accepts` holds.
    fn take(&mut self, accepts: impl Fn(char) -> bool) -> &'t str {
        let from = self.offset();
        while self.peek().is_some_and(&accepts) {
            self.next();
        }
        let to = self.offset();
        self.text.get(from..to).unwrap_or_default()
    }

    /// The fields up to the next `;` or the end of the line; `None` at the end.
    fn fault(
        &mut self,
        line: usize,
        found: &mut Vec<(Position<'t>, String)>,
    ) -> Option<Vec<Field<'t, Position<'t>>>> {
        self.peek()?;
        let mut fields = Vec::new();
        loop {
            self.take(char::is_whitespace);
            match self.peek() {
                None => return Some(fields),
                Some('#') => {
                    self.take(|_| true);
                    return Some(fields);
                }
                Some(';') => {
                    self.next();
                    return Some(fields);
                }
                Some(_) => {}
            }
            let column = self.column;
            let key = self.take(|character| !character.is_whitespace() && !matches!(character, '=' | ';'));
            if self.peek() != Some('=') || key.is_empty() {
                if self.peek() == Some('=') {
                    self.next();
                }
                found.push((
                    Position { line, column, key: None },
                    "must be KEY=VALUE, such as delay=300ms".to_owned(),
                ));
                continue;
            }
            self.next();
            let key_at = Position { line, column, key: Some(key) };
            let value_at = Position { column: self.column, ..key_at };
            let value = if self.peek() == Some('"') {
                self.next();
                let value = self.take(|character| character != '"');
                if self.next().is_none() {
                    found.push((value_at, "the closing '\"' is missing".to_owned()));
                }
                value
            } else {
                self.take(|character| !character.is_whitespace() && character != ';')
            };
            fields.push(Field { key: Cow::Borrowed(key), value: Cow::Borrowed(value), key_at, value_at });
        }
    }
}
