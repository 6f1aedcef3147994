//! Reads the fields of a table, with their types checked.

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
pub(super) struct Fields<'t> {
    pub(super) table: &'t DeTable<'t>,
    pub(super) position: Position,
}

impl<'t> Fields<'t> {
    pub(super) fn of(position: &Position, value: &'t DeValue<'t>, reporter: &mut Reporter) -> Option<Self> {
        match value {
            DeValue::Table(table) => Some(Self { table, position: position.clone() }),
            other => {
                reporter.report(position, wrong_type("a table", other));
                None
            }
        }
    }

    pub(super) fn position_of(&self, key: &str, offset: usize) -> Position {
        let dot = if self.position.path.is_empty() { "" } else { "." };
        Position { path: format!("{}{dot}{}", self.position.path, bare(key)), offset }
    }

    pub(super) fn refuse_others(&self, known: &[&str], reporter: &mut Reporter) {
        for key in self.table.keys().filter(|key| !known.contains(&&**key.get_ref())) {
            let position = self.position_of(key.get_ref(), key.span().start);
            reporter.report(&position, format!("unknown field; fields are: {}", known.join(", ")));
        }
    }

    pub(super) fn field(&self, key: &str) -> Option<(Position, &'t DeValue<'t>)> {
        self.table.get(key).map(|value| (self.position_of(key, value.span().start), value.get_ref()))
    }

    pub(super) fn text(&self, key: &str, reporter: &mut Reporter) -> Option<RawText<'t>> {
        self.field(key).and_then(|(position, value)| text(position, value, reporter))
    }

    pub(super) fn required_text(&self, key: &str, reporter: &mut Reporter) -> Option<RawText<'t>> {
        if !self.table.contains_key(key) {
            reporter.report(&self.position_of(key, self.position.offset), "missing");
        }
        self.text(key, reporter)
    }

    /// A whole number; a negative one is as invalid as one that is too large.
    pub(super) fn number(&self, key: &str, reporter: &mut Reporter) -> Option<RawNumber> {
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
    pub(super) fn table(&self, key: &str, reporter: &mut Reporter) -> Option<Self> {
        let (position, value) = self.field(key)?;
        Self::of(&position, value, reporter)
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
