//! Scalars from JSON.

use std::{borrow::Cow, fmt, str::FromStr};

use prost_reflect::{Kind, MapKey, Value};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

use super::context::Context;
use crate::transcode::{
    error::quoted,
    json::number::{integer, is_number},
    scalar::{IntegerType, bytes},
};

/// Reads a scalar; `None` for an unknown name of an enum value.
pub(super) fn scalar<'de, D: Deserializer<'de>>(
    kind: &Kind,
    context: Context<'_>,
    deserializer: D,
) -> Result<Option<Value>, D::Error> {
    match kind {
        Kind::String => {
            let text = TextSeed("a string").deserialize(deserializer)?;
            context.charge(text.len())?;
            Ok(Some(Value::String(text.into_owned())))
        }
        Kind::Bytes => {
            let text = TextSeed("a string of base64").deserialize(deserializer)?;
            context.charge(text.len())?;
            bytes(&text).map(|bytes| Some(Value::Bytes(bytes.into()))).map_err(Error::custom)
        }
        Kind::Bool => bool::deserialize(deserializer).map(|value| Some(Value::Bool(value))),
        kind => {
            // As text: serde_json itself would read some numbers inexactly.
            let raw = <&RawValue>::deserialize(deserializer)?.get();
            number(kind, raw).map_err(Error::custom)
        }
    }
}

/// Reads a number or the name of an enum value from the text of a JSON value.
fn number(kind: &Kind, raw: &str) -> Result<Option<Value>, String> {
    let text: Cow<'_, str> = match (raw.as_bytes().first(), kind) {
        (Some(b'"'), _) => {
            let text: String =
                serde_json::from_str(raw).map_err(|_| format!("{} is not a string", quoted(raw)))?;
            match kind {
                Kind::Enum(kind) => {
                    return Ok(kind.get_value_by_name(&text).map(|value| Value::EnumNumber(value.number())));
                }
                _ => Cow::Owned(text),
            }
        }
        (Some(b'-' | b'0'..=b'9'), _) => Cow::Borrowed(raw),
        (Some(b'n'), Kind::Enum(kind)) if kind.full_name() == "google.protobuf.NullValue" => {
            Cow::Borrowed("0")
        }
        (first, _) => {
            let expected =
                if let Kind::Enum(_) = kind { "the name or number of an enum value" } else { "a number" };
            return Err(format!("expected {expected}, but got {}", type_of(first.copied())));
        }
    };
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => whole(&text).map(Value::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => whole(&text).map(Value::I64),
        Kind::Uint32 | Kind::Fixed32 => whole(&text).map(Value::U32),
        Kind::Uint64 | Kind::Fixed64 => whole(&text).map(Value::U64),
        Kind::Enum(_) => whole(&text).map(Value::EnumNumber),
        Kind::Float => float(&text, f32::is_finite).map(Value::F32),
        _ => float(&text, f64::is_finite).map(Value::F64),
    }
    .map(Some)
}

fn whole<T: IntegerType>(text: &str) -> Result<T, String> {
    integer(text).and_then(|value| T::try_from(value).ok()).ok_or_else(|| T::not_one(text))
}

fn float<T: FromStr + Copy>(text: &str, is_finite: impl Fn(T) -> bool) -> Result<T, String> {
    let value = match text {
        "NaN" | "Infinity" | "-Infinity" => text.parse().ok(),
        _ => {
            let value = text.parse().ok().filter(|_| is_number(text));
            if value.is_some_and(|value| !is_finite(value)) {
                return Err(format!("{} is out of range", quoted(text)));
            }
            value
        }
    };
    value.ok_or_else(|| format!("{} is not a number, NaN, Infinity or -Infinity", quoted(text)))
}

/// What a JSON value is, by its first byte.
fn type_of(first: Option<u8>) -> &'static str {
    match first {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "another value",
    }
}

/// Reads a map's key, which JSON writes as a string.
pub(super) fn map_key(kind: &Kind, text: &str) -> Result<MapKey, String> {
    match kind {
        Kind::Bool => match text {
            "true" => Ok(MapKey::Bool(true)),
            "false" => Ok(MapKey::Bool(false)),
            _ => Err(format!("{} is not a boolean: true or false", quoted(text))),
        },
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => whole(text).map(MapKey::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => whole(text).map(MapKey::I64),
        Kind::Uint32 | Kind::Fixed32 => whole(text).map(MapKey::U32),
        Kind::Uint64 | Kind::Fixed64 => whole(text).map(MapKey::U64),
        _ => Ok(MapKey::String(text.to_owned())),
    }
}

/// Reads a string, without a copy where nothing is escaped. Its field names the expected value in errors.
pub(super) struct TextSeed(pub(super) &'static str);

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
