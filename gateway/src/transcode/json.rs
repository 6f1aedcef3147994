//! Messages as proto3 JSON, as grpc-gateway writes them: unset fields are written out.
//!
//! prost-reflect's own serializer follows the mapping, but leaves unset messages out where protojson's
//! `EmitUnpopulated`, grpc-gateway's default, writes `null`. It also writes a wrapped NaN as `null`, and a map
//! in an order of chance. So fields, lists, maps, wrappers and `Any` are written here, and the other
//! well-known types by prost-reflect. Extensions, which proto3 lacks, are left out.

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use prost_reflect::{DynamicMessage, Kind, MapKey, ReflectMessage, SerializeOptions, Value};
use serde::ser::{Error, Serialize, SerializeMap, Serializer};

use super::{any::AnyJson, binding::Binding, error::ResponseError};

/// What prost-reflect writes: names and numbers by the mapping, and nothing left out.
const OPTIONS: SerializeOptions = SerializeOptions::new().skip_default_fields(false);

/// How deep messages may nest. The wire's decoder ends at 100, but every `Any` in an answer starts it anew.
const DEPTH: usize = 128;

/// Most answers fit, so that the buffer does not grow.
const CAPACITY: usize = 2 * 1024;

impl Binding {
    /// The HTTP body of an answer: the message, or the field the rule's `response_body` names.
    ///
    /// # Errors
    /// The message holds a value without a JSON form.
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

/// A message as proto3 JSON with unset fields written out.
///
/// Unset scalars are written as their default, lists and maps as `[]` and `{}`, messages as `null`; members of
/// oneofs and `optional` fields only when set. Names are lowerCamelCase, 64-bit integers strings, enum values
/// names (a number where the enum has none for it), bytes base64, map entries in the order of their keys.
///
/// # Errors
/// The message holds a value without a JSON form.
pub fn message_json(message: &DynamicMessage) -> Result<Vec<u8>, ResponseError> {
    written(&MessageJson { message, depth: 0 })
}

fn written(json: &impl Serialize) -> Result<Vec<u8>, ResponseError> {
    let mut buffer = Vec::with_capacity(CAPACITY);
    serde_json::to_writer(&mut buffer, json)?;
    Ok(buffer)
}

/// How a message's type is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// An object with an entry a field.
    Object,
    /// `Any`: the object of what it holds, and its type.
    Any,
    /// A wrapper: the value it wraps.
    Wrapper,
    /// A form of its own, which prost-reflect knows.
    Special,
}

impl Form {
    pub(super) fn of(full_name: &str) -> Self {
        match full_name.strip_prefix("google.protobuf.") {
            Some("Any") => Self::Any,
            Some(
                "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
                | "BoolValue" | "StringValue" | "BytesValue",
            ) => Self::Wrapper,
            Some("Timestamp" | "Duration" | "FieldMask" | "Struct" | "ListValue" | "Value" | "Empty") => {
                Self::Special
            }
            _ => Self::Object,
        }
    }
}

/// A message at a depth.
pub(super) struct MessageJson<'a> {
    pub(super) message: &'a DynamicMessage,
    pub(super) depth: usize,
}

impl Serialize for MessageJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { message, depth } = *self;
        if depth > DEPTH {
            return Err(S::Error::custom("messages nest too deep"));
        }
        let descriptor = message.descriptor();
        match Form::of(descriptor.full_name()) {
            Form::Object => {
                let mut object = serializer.serialize_map(None)?;
                entries(&mut object, message, depth)?;
                object.end()
            }
            Form::Any => AnyJson::of(message, depth).serialize(serializer),
            Form::Wrapper => match descriptor.get_field(1) {
                Some(field) => {
                    let value = message.get_field(&field);
                    ValueJson { value: &value, kind: &field.kind(), depth }.serialize(serializer)
                }
                None => Err(S::Error::custom("a wrapper without a value")),
            },
            Form::Special => {
                if descriptor.full_name() == "google.protobuf.FieldMask" && !is_reversible(message) {
                    return Err(S::Error::custom("a field mask's path that JSON cannot tell"));
                }
                message.serialize_with_options(serializer, &OPTIONS)
            }
        }
    }
}

/// Whether a field mask's paths can be read back from their JSON, which has commas between them and capitals in the place
/// of underscores: others must not be written ("irreversible", `field_mask.proto`). prost-reflect refuses the rest.
fn is_reversible(mask: &DynamicMessage) -> bool {
    let paths = mask.get_field_by_number(1);
    let paths = paths.as_deref().and_then(Value::as_list).unwrap_or_default();
    let mut paths = paths.iter().filter_map(Value::as_str);
    paths.all(|path| {
        !path.is_empty() && !path.contains(',') && !path.split('.').any(|part| part.ends_with('_'))
    })
}

/// Writes the fields of a message into an object that is already open.
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

/// A field's value: one, a list's or a map's.
struct ValueJson<'a> {
    value: &'a Value,
    kind: &'a Kind,
    /// The depth of the message that holds the value.
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
                    return Err(S::Error::custom("a map of a type that is not one"));
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

/// A map's key; always a string in JSON.
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
