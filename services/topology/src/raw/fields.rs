//! Reads the fields of a table, with their types checked.

use std::borrow::Cow;

use octet_fault::Field;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{RawNumber, RawText};
use crate::{
    limits::MAX_SERVICES,
    quote::bare,
    reporter::{Position, Reporter},
};

/// A table, for reading its fields.
pub struct Fields<'t> {
    pub(super) table: &'t DeTable<'t>,
    /// Where it starts.
    pub position: Position,
}

impl<'t> Fields<'t> {
    pub(crate) fn of_document(table: &'t DeTable<'t>) -> Self {
        Self { table, position: Position { path: String::new(), offset: 0 } }
    }

    pub(super) fn of(position: &Position, value: &'t DeValue<'t>, reporter: &mut Reporter) -> Option<Self> {
        match value {
            DeValue::Table(table) => Some(Self { table, position: position.clone() }),
            other => {
                reporter.report(position, wrong_type("a table", other));
                None
            }
        }
    }

    /// The position of a field that is at `offset`.
    pub fn position_of(&self, key: &str, offset: usize) -> Position {
        let dot = if self.position.path.is_empty() { "" } else { "." };
        Position { path: format!("{}{dot}{}", self.position.path, bare(key)), offset }
    }

    /// Reports every field that is not known.
    pub fn refuse_others(&self, known: &[&str], reporter: &mut Reporter) {
        for key in self.table.keys().filter(|key| !known.contains(&&**key.get_ref())) {
            let position = self.position_of(key.get_ref(), key.span().start);
            reporter.report(&position, format!("unknown field; fields are: {}", known.join(", ")));
        }
    }

    pub(super) fn field(&self, key: &str) -> Option<(Position, &'t DeValue<'t>)> {
        self.table.get(key).map(|value| (self.position_of(key, value.span().start), value.get_ref()))
    }

    /// A string; `None` if it is absent or of another type.
    pub fn text(&self, key: &str, reporter: &mut Reporter) -> Option<RawText<'t>> {
        self.field(key).and_then(|(position, value)| text(position, value, reporter))
    }

    /// A string that must be there.
    pub fn required_text(&self, key: &str, reporter: &mut Reporter) -> Option<RawText<'t>> {
        if !self.table.contains_key(key) {
            reporter.report(&self.position_of(key, self.position.offset), "missing");
        }
        self.text(key, reporter)
    }

    /// A whole number; a negative one is as invalid as one that is too large.
    pub fn number(&self, key: &str, reporter: &mut Reporter) -> Option<RawNumber> {
        let (position, value) = self.field(key)?;
        let DeValue::Integer(number) = value else {
            reporter.report(&position, wrong_type("a whole number", value));
            return None;
        };
        let value = u64::from_str_radix(number.as_str(), number.radix()).ok();
        Some(RawNumber { value, position })
    }

    /// The elements of an array; `None` if the field is absent or of another type.
    pub(super) fn array(
        &self,
        key: &str,
        wanted: &str,
        reporter: &mut Reporter,
    ) -> Option<(Position, &'t [Spanned<DeValue<'t>>])> {
        let (position, value) = self.field(key)?;
        let DeValue::Array(values) = value else {
            reporter.report(&position, wrong_type(wanted, value));
            return None;
        };
        Some((position, values))
    }

    /// A table of its own below the field.
    pub fn table(&self, key: &str, reporter: &mut Reporter) -> Option<Self> {
        let (position, value) = self.field(key)?;
        Self::of(&position, value, reporter)
    }

    /// The tables of an array; at most `most`, more are a finding.
    pub fn tables(&self, key: &str, most: usize, reporter: &mut Reporter) -> Vec<Self> {
        let wanted = format!("an array of tables ([[{key}]])");
        let Some((position, values)) = self.array(key, &wanted, reporter) else { return Vec::new() };
        if let Some((position, _)) = elements(&position, values).nth(most) {
            reporter.report(&position, format!("must have at most {most} [[{key}]]"));
        }
        elements(&position, values)
            .take(most)
            .filter_map(|(position, value)| Self::of(&position, value, reporter))
            .collect()
    }

    /// The strings of an array, with its position; `None` if it is absent or of another type.
    pub fn texts(&self, key: &str, reporter: &mut Reporter) -> Option<(Position, Vec<RawText<'t>>)> {
        let (position, values) = self.array(key, "an array of strings", reporter)?;
        let texts = names(&position, values, reporter);
        Some((position, texts))
    }

    /// The names of all fields, in the order of the text.
    pub fn keys(&self) -> Vec<(String, Position)> {
        let position = |key: &Spanned<_>, name: &str| self.position_of(name, key.span().start);
        let mut keys: Vec<_> =
            self.table.keys().map(|key| (key.get_ref().to_string(), position(key, key.get_ref()))).collect();
        keys.sort_by_key(|(_, position)| position.offset);
        keys
    }

    /// The fields of a fault, in the order of the text, without those named in `others`.
    pub fn fault(&self, others: &[&str], reporter: &mut Reporter) -> Vec<Field<'t, Position>> {
        let read = self.table.iter().filter(|(key, _)| !others.contains(&&**key.get_ref()));
        let read = read.filter_map(|(key, value)| {
            let value_at = self.position_of(key.get_ref(), value.span().start);
            let value = match value.get_ref() {
                DeValue::String(text) => Cow::Borrowed(&**text),
                DeValue::Boolean(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
                DeValue::Integer(number) if number.radix() == 10 => Cow::Borrowed(number.as_str()),
                other => {
                    reporter.report(&value_at, wrong_type("a string, a whole number or a boolean", other));
                    return None;
                }
            };
            let key_at = self.position_of(key.get_ref(), key.span().start);
            Some(Field { key: Cow::Borrowed(key.get_ref()), value, key_at, value_at })
        });
        let mut fields: Vec<_> = read.collect();
        // A table's fields come in the order of their keys.
        fields.sort_by_key(|field: &Field<'_, Position>| field.key_at.offset);
        fields
    }
}

/// At most [`MAX_SERVICES`] strings; more are a finding, and not read.
pub(super) fn names<'t>(
    position: &Position,
    values: &'t [Spanned<DeValue<'t>>],
    reporter: &mut Reporter,
) -> Vec<RawText<'t>> {
    if let Some((position, _)) = elements(position, values).nth(MAX_SERVICES) {
        reporter.report(&position, format!("must have at most {MAX_SERVICES} names"));
    }
    elements(position, values)
        .take(MAX_SERVICES)
        .filter_map(|(position, value)| text(position, value, reporter))
        .collect()
}

pub(super) fn text<'t>(
    position: Position,
    value: &'t DeValue<'t>,
    reporter: &mut Reporter,
) -> Option<RawText<'t>> {
    let DeValue::String(text) = value else {
        reporter.report(&position, wrong_type("a string", value));
        return None;
    };
    Some(RawText { value: text, position })
}

pub(super) fn elements<'t>(
    array: &Position,
    values: &'t [Spanned<DeValue<'t>>],
) -> impl Iterator<Item = (Position, &'t DeValue<'t>)> {
    values.iter().enumerate().map(|(index, value)| {
        let path = format!("{}[{index}]", array.path);
        (Position { path, offset: value.span().start }, value.get_ref())
    })
}

pub(super) fn wrong_type(wanted: &str, found: &DeValue<'_>) -> String {
    let found = match found {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    format!("must be {wanted}, not {found}")
}
