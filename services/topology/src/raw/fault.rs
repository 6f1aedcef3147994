//! `[[fault]]`: the fields of the grammar that every way to set a fault has.

use std::borrow::Cow;

use octet_fault::Field;
use toml::de::DeValue;

use super::fields::{Fields, wrong_type};
use crate::reporter::{Position, Reporter};

#[derive(Debug)]
pub(crate) struct RawFault<'t> {
    pub(crate) position: Position,
    pub(crate) fields: Vec<Field<'t, Position>>,
}

pub(super) fn fault<'t>(
    position: &Position,
    value: &'t DeValue<'t>,
    reporter: &mut Reporter,
) -> Option<RawFault<'t>> {
    let fields = Fields::of(position, value, reporter)?;
    let read = fields.table.iter().filter_map(|(key, value)| {
        let value_at = fields.position_of(key.get_ref(), value.span().start);
        let value = match value.get_ref() {
            DeValue::String(text) => Cow::Borrowed(&**text),
            DeValue::Boolean(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
            DeValue::Integer(number) if number.radix() == 10 => Cow::Borrowed(number.as_str()),
            other => {
                reporter.report(&value_at, wrong_type("a string, a whole number or a boolean", other));
                return None;
            }
        };
        let key_at = fields.position_of(key.get_ref(), key.span().start);
        Some(Field { key: Cow::Borrowed(key.get_ref()), value, key_at, value_at })
    });
    let mut fields: Vec<_> = read.collect();
    // In the order of the text: a table's fields come in the order of their keys.
    fields.sort_by_key(|field: &Field<'_, Position>| field.key_at.offset);
    Some(RawFault { position: position.clone(), fields })
}
