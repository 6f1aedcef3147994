//! Messages with a text form in a query: the well-known types that grpc-gateway accepts there.

use std::borrow::Cow;

use prost_reflect::{DynamicMessage, MessageDescriptor, Value};
use serde::de::{IntoDeserializer, value};

use super::{
    duration,
    error::{brief, quoted},
    field_path::{set, singular_message},
    scalar,
};

/// Reads `text` as a message of a well-known type; `None` for `null`, which leaves the field unset.
pub(super) fn parse(message: &MessageDescriptor, text: &str) -> Result<Option<Value>, String> {
    let parsed = match message.full_name() {
        "google.protobuf.Timestamp" | "google.protobuf.Duration" if text == "null" => return Ok(None),
        "google.protobuf.Timestamp" => timestamp(message, text)?,
        "google.protobuf.Duration" => duration(message, text)?,
        "google.protobuf.FieldMask" => field_mask(message, text)?,
        "google.protobuf.DoubleValue"
        | "google.protobuf.FloatValue"
        | "google.protobuf.Int64Value"
        | "google.protobuf.UInt64Value"
        | "google.protobuf.Int32Value"
        | "google.protobuf.UInt32Value"
        | "google.protobuf.BoolValue"
        | "google.protobuf.StringValue"
        | "google.protobuf.BytesValue" => wrapper(message, text)?,
        "google.protobuf.Value" | "google.protobuf.Struct" => json(message, text)?,
        other => {
            return Err(format!("the field is a {other}: name one of its fields, as in `key.field=value`"));
        }
    };
    Ok(Some(Value::Message(parsed)))
}

fn timestamp(message: &MessageDescriptor, text: &str) -> Result<DynamicMessage, String> {
    let text_only: value::StrDeserializer<'_, value::Error> = text.into_deserializer();
    DynamicMessage::deserialize(message.clone(), text_only)
        .map_err(|_| format!("{} is not an RFC 3339 time, such as 2024-02-29T12:00:00.5Z", quoted(text)))
}

fn duration(message: &MessageDescriptor, text: &str) -> Result<DynamicMessage, String> {
    let (seconds, nanos) = duration::parse(text)
        .ok_or_else(|| format!("{} is not a duration, such as 1.5s, 100ms or 2h45m", quoted(text)))?;
    with(message, [(1, Value::I64(seconds)), (2, Value::I32(nanos))])
}

/// The paths, split at commas. Like grpc-gateway, this does not convert lowerCamelCase to field names.
fn field_mask(message: &MessageDescriptor, text: &str) -> Result<DynamicMessage, String> {
    let paths = text.split(',').filter(|path| !path.is_empty());
    with(message, [(1, Value::List(paths.map(|path| Value::String(path.to_owned())).collect()))])
}

/// A wrapper has the text form of the value it wraps.
fn wrapper(message: &MessageDescriptor, text: &str) -> Result<DynamicMessage, String> {
    let wrapped = message.get_field(1).ok_or("the descriptor is not the published one")?;
    with(message, [(1, scalar::parse(&wrapped.kind(), Cow::Borrowed(text))?)])
}

fn json(message: &MessageDescriptor, text: &str) -> Result<DynamicMessage, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    DynamicMessage::deserialize(message.clone(), &mut reader)
        .and_then(|parsed| reader.end().map(|()| parsed))
        .map_err(|error| {
            format!("{} is not the JSON of a {}: {}", quoted(text), message.full_name(), brief(&error))
        })
}

fn with<const N: usize>(
    message: &MessageDescriptor,
    values: [(u32, Value); N],
) -> Result<DynamicMessage, String> {
    let mut made = DynamicMessage::new(message.clone());
    for (number, value) in values {
        let field = message.get_field(number).filter(|field| singular_message(field).is_none());
        set(&mut made, &field.ok_or("the descriptor is not the published one")?, value)?;
    }
    Ok(made)
}
