//! Attributes and their values.

use octet_wire::{Fields, Value as Wire};

use super::decode::{message, no_message, text};
use crate::{
    span::{Fault, Str},
    value::{MAX_DEPTH, Value},
};

const FIELD: &str = "attributes";

/// `KeyValue`, with its value as a text.
pub(super) fn attribute(value: Wire<'_>) -> Result<(Str<'_>, Str<'_>), Fault> {
    let (key, value) = key_value(value, 0)?;
    Ok((key, value.into_text()))
}

fn key_value(value: Wire<'_>, depth: usize) -> Result<(Str<'_>, Value<'_>), Fault> {
    let (mut key, mut found) = (Str::default(), Value::Empty);
    let mut fields = Fields::new(message(FIELD, value)?);
    while let Some((number, value)) = fields.next().map_err(no_message(FIELD))? {
        match number {
            1 => key = text(FIELD, value)?,
            2 => found = any_value(value, depth)?,
            _ => {}
        }
    }
    Ok((key, found))
}

/// `AnyValue`.
fn any_value(value: Wire<'_>, depth: usize) -> Result<Value<'_>, Fault> {
    let mut found = Value::Empty;
    let mut fields = Fields::new(message(FIELD, value)?);
    while let Some((number, value)) = fields.next().map_err(no_message(FIELD))? {
        found = match (number, value) {
            (1, value) => Value::Text(text(FIELD, value)?),
            (2, Wire::Varint(flag)) => Value::Bool(flag != 0),
            (3, Wire::Varint(whole)) => Value::Whole(whole.cast_signed()),
            (4, Wire::Fixed64(bits)) => Value::Double(f64::from_bits(bits)),
            (5 | 6, Wire::Bytes(_)) if depth >= MAX_DEPTH => Value::TooDeep,
            (5, Wire::Bytes(list)) => Value::List(each(list, |value| any_value(value, depth + 1))?),
            (6, Wire::Bytes(map)) => Value::Map(each(map, |entry| key_value(entry, depth + 1))?),
            (7, Wire::Bytes(bytes)) => Value::bytes(bytes),
            (2..=7, _) => return Err(Fault::new(FIELD, "has another wire type than in OTLP")),
            // Of a later version.
            _ => found,
        };
    }
    Ok(found)
}

/// Reads each element of `ArrayValue` or `KeyValueList`.
fn each<'a, T>(bytes: &'a [u8], read: impl Fn(Wire<'a>) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
    let mut all = Vec::new();
    let mut fields = Fields::new(bytes);
    while let Some((number, value)) = fields.next().map_err(no_message(FIELD))? {
        if number == 1 {
            all.push(read(value)?);
        }
    }
    Ok(all)
}
