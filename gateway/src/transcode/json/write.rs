//! Messages as proto3 JSON.
//!
//! As in grpc-gateway, by protojson's `EmitUnpopulated`, unset fields are included. Extensions are left out: proto3 has
//! none.

use std::io;

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use prost_reflect::{DynamicMessage, Kind, MapKey, ReflectMessage, Value};
use serde::ser::{Error, Serialize, SerializeMap, Serializer};

use super::{any::AnyJson, form::Form};
use crate::transcode::{binding::Binding, budget::RESPONSE_JSON, error::ResponseError};

/// The levels that messages can nest. The wire's decoder stops at 100, but decodes the content of an `Any` separately.
const MAX_DEPTH: usize = 128;

/// Holds most responses without growing.
const CAPACITY: usize = 2 * 1024;

impl Binding {
    /// The HTTP body of a response: the message, or the field that the rule's `response_body` names.
    ///
    /// # Errors
    /// The message contains a value without a JSON form.
    pub fn response_json(&self, message: &DynamicMessage) -> Result<Vec<u8>, ResponseError> {
        match self.response_body() {
            None => message_json(message),
            Some(field) => {
                let value = message.get_field(field);
                written(&ValueJson { value: &value, kind: &field.kind(), depth: 0 })
            }
        }
    }
}

/// A message as proto3 JSON, with its unset fields.
///
/// Unset scalars are written as their default, lists and maps as `[]` and `{}`, messages as `null`; members of oneofs and
/// `optional` fields only when set. Names are in lowerCamelCase, 64-bit integers are strings, enum values are names (or
/// numbers, where the enum has no name), bytes are base64, and map entries are in the order of their keys.
///
/// # Errors
/// The message contains a value without a JSON form.
pub fn message_json(message: &DynamicMessage) -> Result<Vec<u8>, ResponseError> {
    written(&MessageJson { message, depth: 0 })
}

fn written(json: &impl Serialize) -> Result<Vec<u8>, ResponseError> {
    let mut buffer = Limited(Vec::with_capacity(CAPACITY));
    serde_json::to_writer(&mut buffer, json)?;
    Ok(buffer.0)
}

/// A buffer of up to [`RESPONSE_JSON`] bytes. The names of unset fields take more than the message.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > RESPONSE_JSON {
            return Err(io::Error::other(format!("the JSON exceeds the limit of {RESPONSE_JSON} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A message, `depth` levels below the outermost one.
pub(super) struct MessageJson<'a> {
    pub(super) message: &'a DynamicMessage,
    pub(super) depth: usize,
}

impl Serialize for MessageJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { message, depth } = *self;
        if depth > MAX_DEPTH {
            return Err(S::Error::custom("messages nest too deep"));
        }
        let descriptor = message.descriptor();
        let name = descriptor.full_name();
        match Form::of(name) {
            Form::Object => {
                let mut object = serializer.serialize_map(None)?;
                entries(&mut object, message, depth)?;
                object.end()
            }
            Form::Any => AnyJson::of(message, depth).serialize(serializer),
            Form::FirstField => match descriptor.get_field(1) {
                Some(field) => {
                    let value = message.get_field(&field);
                    ValueJson { value: &value, kind: &field.kind(), depth }.serialize(serializer)
                }
                None => Err(S::Error::custom(format!("the descriptor of {name} is not the published one"))),
            },
            Form::Value => match message.fields().next() {
                None => serializer.serialize_unit(),
                // "Attempting to serialize NaN or Infinity results in error" (struct.proto).
                Some((_, Value::F64(number))) if !number.is_finite() => {
                    Err(S::Error::custom(format!("{name} cannot be {number}")))
                }
                Some((field, value)) => ValueJson { value, kind: &field.kind(), depth }.serialize(serializer),
            },
            Form::Text(form) => match form.write(message) {
                Some(text) => serializer.serialize_str(&text),
                None => Err(S::Error::custom(format!("a {name} has no JSON form"))),
            },
        }
    }
}

/// Writes a message's fields into an object.
pub(super) fn entries<M: SerializeMap>(
    object: &mut M,
    message: &DynamicMessage,
    depth: usize,
) -> Result<(), M::Error> {
    for field in message.descriptor().fields() {
        if field.supports_presence() && !message.has_field(&field) {
            if field.containing_oneof().is_none() {
                object.serialize_entry(field.json_name(), &())?;
            }
            continue;
        }
        let value = message.get_field(&field);
        object
            .serialize_entry(field.json_name(), &ValueJson { value: &value, kind: &field.kind(), depth })?;
    }
    Ok(())
}

/// A field's value, or one of a list's or a map's.
struct ValueJson<'a> {
    value: &'a Value,
    kind: &'a Kind,
    /// The depth of the message that contains the value.
    depth: usize,
}

impl ValueJson<'_> {
    fn element<'b>(&'b self, value: &'b Value) -> ValueJson<'b> {
        ValueJson { value, kind: self.kind, depth: self.depth }
    }
}

impl Serialize for ValueJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::I32(value) => serializer.serialize_i32(*value),
            Value::U32(value) => serializer.serialize_u32(*value),
            Value::I64(value) => serializer.collect_str(value),
            Value::U64(value) => serializer.collect_str(value),
            Value::F32(value) if value.is_finite() => serializer.serialize_f32(*value),
            Value::F32(value) => serializer.serialize_str(not_finite(f64::from(*value))),
            Value::F64(value) if value.is_finite() => serializer.serialize_f64(*value),
            Value::F64(value) => serializer.serialize_str(not_finite(*value)),
            Value::String(value) => serializer.serialize_str(value),
            Value::Bytes(value) => serializer.collect_str(&Base64Display::new(value, &STANDARD)),
            Value::EnumNumber(number) => enum_value(*number, self.kind, serializer),
            Value::Message(message) => MessageJson { message, depth: self.depth + 1 }.serialize(serializer),
            Value::List(values) => serializer.collect_seq(values.iter().map(|value| self.element(value))),
            Value::Map(values) => {
                let Kind::Message(entry) = self.kind else {
                    return Err(S::Error::custom("the type of a map's entries is not a message"));
                };
                let kind = &entry.map_entry_value_field().kind();
                let mut sorted: Vec<_> = values.iter().collect();
                sorted.sort_unstable_by_key(|(key, _)| *key);
                let values = sorted
                    .into_iter()
                    .map(|(key, value)| (KeyJson(key), ValueJson { value, kind, depth: self.depth }));
                serializer.collect_map(values)
            }
        }
    }
}

fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value.is_sign_positive() {
        "Infinity"
    } else {
        "-Infinity"
    }
}

fn enum_value<S: Serializer>(number: i32, kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    match kind {
        Kind::Enum(kind) if kind.full_name() == "google.protobuf.NullValue" => serializer.serialize_unit(),
        Kind::Enum(kind) => match kind.get_value(number) {
            Some(value) => serializer.serialize_str(value.name()),
            None => serializer.serialize_i32(number),
        },
        _ => serializer.serialize_i32(number),
    }
}

/// A map's key, which is a string in JSON.
struct KeyJson<'a>(&'a MapKey);

impl Serialize for KeyJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            MapKey::Bool(key) => serializer.collect_str(key),
            MapKey::I32(key) => serializer.collect_str(key),
            MapKey::I64(key) => serializer.collect_str(key),
            MapKey::U32(key) => serializer.collect_str(key),
            MapKey::U64(key) => serializer.collect_str(key),
            MapKey::String(key) => serializer.serialize_str(key),
        }
    }
}
