//! Example messages, from the examples in comments.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::comments::{Comments, example};

/// Bounds, since recursive messages have no largest example.
const MAX_VALUES: usize = 200;
const MAX_DEPTH: usize = 5;

/// A message as a response contains it.
pub(super) fn message(message: &MessageDescriptor, comments: &Comments) -> Value {
    let mut left = MAX_VALUES;
    object(message, comments, MAX_DEPTH, &mut left)
}

fn object(message: &MessageDescriptor, comments: &Comments, depth: usize, left: &mut usize) -> Value {
    if let Some(value) = well_known(message.full_name()) {
        return value;
    }
    let mut fields = Map::new();
    for field in message.fields() {
        if field.containing_oneof().is_some() {
            continue;
        }
        let value = field_value(&field, comments, depth, left);
        fields.insert(field.json_name().to_owned(), value);
    }
    Value::Object(fields)
}

/// A field's whole value: a list, a map or a single value.
pub(super) fn field(field: &FieldDescriptor, comments: &Comments) -> Value {
    let mut left = MAX_VALUES;
    field_value(field, comments, MAX_DEPTH, &mut left)
}

fn field_value(field: &FieldDescriptor, comments: &Comments, depth: usize, left: &mut usize) -> Value {
    *left = left.saturating_sub(1);
    let is_exhausted = depth == 0 || *left == 0;
    match field.kind() {
        _ if field.is_map() => json!({}),
        Kind::Message(_) if field.is_list() && is_exhausted => json!([]),
        Kind::Message(_) if is_exhausted => Value::Null,
        Kind::Message(inner) if field.is_list() => json!([object(&inner, comments, depth - 1, left)]),
        Kind::Message(inner) => object(&inner, comments, depth - 1, left),
        kind if field.is_list() => json!([scalar(field, &kind, comments)]),
        kind => scalar(field, &kind, comments),
    }
}

fn scalar(field: &FieldDescriptor, kind: &Kind, comments: &Comments) -> Value {
    match kind {
        Kind::String => {
            let comment = comments.at(&field.parent_message().parent_file(), field.path());
            json!(example(comment).unwrap_or("text"))
        }
        Kind::Bool => json!(true),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint64 | Kind::Fixed64 => json!("1"),
        Kind::Bytes => json!("b2N0ZXQ="),
        Kind::Enum(kind) if kind.full_name() == "google.protobuf.NullValue" => Value::Null,
        Kind::Enum(kind) => json!(kind.default_value().name()),
        _ => json!(1),
    }
}

fn well_known(full_name: &str) -> Option<Value> {
    Some(match full_name.strip_prefix("google.protobuf.")? {
        "Timestamp" => json!("2024-02-29T12:00:00.5Z"),
        "Duration" => json!("1.5s"),
        "FieldMask" => json!("title,tags"),
        "Struct" | "Empty" => json!({}),
        "Any" => json!({ "@type": "type.googleapis.com/google.protobuf.Empty", "value": {} }),
        "Value" | "DoubleValue" | "FloatValue" | "Int32Value" | "UInt32Value" => json!(1),
        "ListValue" => json!([]),
        "Int64Value" | "UInt64Value" => json!("1"),
        "BoolValue" => json!(true),
        "StringValue" => json!("text"),
        "BytesValue" => json!("b2N0ZXQ="),
        _ => return None,
    })
}
