//! Scalar values from the text of a path variable or a query parameter.

use std::str::FromStr;

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use prost_reflect::{EnumDescriptor, Kind, MapKey, Value};

use super::error::quoted;

/// The most enum values that an error lists.
const MAX_LISTED: usize = 12;

/// "Either standard or URL-safe base64 encoding with/without paddings are accepted" (proto3 JSON mapping).
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// Reads `text` as a value of `kind`. The error says what is allowed.
///
/// As in grpc-gateway, booleans and floats are read as Go's `strconv` reads them: `1`, `t`, `TRUE`, `Infinity`, `nan`.
pub(super) fn parse(kind: &Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::String => Ok(Value::String(text.to_owned())),
        Kind::Bytes => bytes(text).map(|bytes| Value::Bytes(bytes.into())),
        Kind::Bool => boolean(text).map(Value::Bool),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => integer(text).map(Value::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => integer(text).map(Value::I64),
        Kind::Uint32 | Kind::Fixed32 => integer(text).map(Value::U32),
        Kind::Uint64 | Kind::Fixed64 => integer(text).map(Value::U64),
        Kind::Float => {
            let value = float::<f32>(text)?;
            in_range(text, value.is_infinite()).map(|()| Value::F32(value))
        }
        Kind::Double => {
            let value = float::<f64>(text)?;
            in_range(text, value.is_infinite()).map(|()| Value::F64(value))
        }
        Kind::Enum(kind) => enum_number(kind, text).map(Value::EnumNumber),
        Kind::Message(message) => {
            Err(format!("the field is a {}, which has no text form", message.full_name()))
        }
    }
}

/// Reads a map's key. Floats, bytes and messages cannot be keys.
pub(super) fn map_key(kind: &Kind, text: &str) -> Result<MapKey, String> {
    match parse(kind, text)? {
        Value::Bool(key) => Ok(MapKey::Bool(key)),
        Value::I32(key) => Ok(MapKey::I32(key)),
        Value::I64(key) => Ok(MapKey::I64(key)),
        Value::U32(key) => Ok(MapKey::U32(key)),
        Value::U64(key) => Ok(MapKey::U64(key)),
        Value::String(key) => Ok(MapKey::String(key)),
        _ => Err("the map's keys have an invalid type".to_owned()),
    }
}

/// The integer types of protobuf.
pub(super) trait IntegerType: FromStr + TryFrom<i128> {
    /// The error for a text that is not such an integer.
    fn not_one(text: &str) -> String;
}

macro_rules! integer_types {
    ($($type:ty: $name:literal;)*) => {
        $(impl IntegerType for $type {
            fn not_one(text: &str) -> String {
                format!("{} is not {}, from {} to {}", quoted(text), $name, Self::MIN, Self::MAX)
            }
        })*
    };
}

integer_types! {
    i32: "a 32-bit integer";
    i64: "a 64-bit integer";
    u32: "an unsigned 32-bit integer";
    u64: "an unsigned 64-bit integer";
}

fn integer<T: IntegerType>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| T::not_one(text))
}

fn float<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{} is not a number, NaN, Infinity or -Infinity", quoted(text)))
}

/// Rust reads a number beyond the range as infinite, but only an explicit `inf` may be.
fn in_range(text: &str, infinite: bool) -> Result<(), String> {
    let is_explicit = text.bytes().any(|byte| byte.eq_ignore_ascii_case(&b'i'));
    if infinite && !is_explicit { Err(format!("{} is out of range", quoted(text))) } else { Ok(()) }
}

fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("{} is not a boolean: true or false", quoted(text))),
    }
}

pub(super) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let engine = if text.contains(['-', '_']) { &BASE64_URL } else { &BASE64 };
    engine.decode(text).map_err(|_| format!("{} is not base64, standard or URL-safe", quoted(text)))
}

/// By name or by number. As in grpc-gateway, the enum must have a value of that number.
fn enum_number(kind: &EnumDescriptor, text: &str) -> Result<i32, String> {
    let by_number = || kind.get_value(text.parse().ok()?);
    if let Some(value) = kind.get_value_by_name(text).or_else(by_number) {
        return Ok(value.number());
    }
    let mut names: Vec<_> = kind.values().take(MAX_LISTED).map(|value| value.name().to_owned()).collect();
    if kind.values().len() > MAX_LISTED {
        names.push("…".to_owned());
    }
    Err(format!("{} is not a {}: {}, or its number", quoted(text), kind.name(), names.join(", ")))
}
