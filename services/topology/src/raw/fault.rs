//! `[[fault]]`: the fields of the grammar that every way to set a fault has.

use octet_fault::Field;
use toml::de::DeValue;

use super::fields::Fields;
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
    Some(RawFault { position: position.clone(), fields: fields.fault(&[], reporter) })
}
