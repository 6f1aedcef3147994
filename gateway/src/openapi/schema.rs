//! Messages as JSON Schema.

use std::collections::BTreeMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::comments::{Comments, example};

/// The direction of a message: responses contain every field, requests any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Response,
    Request,
}

/// The schemas that operations refer to.
pub(super) struct Schemas<'c> {
    comments: &'c Comments,
    components: BTreeMap<String, Value>,
}

impl<'c> Schemas<'c> {
    pub(super) fn new(comments: &'c Comments) -> Self {
        Self { comments, components: BTreeMap::new() }
    }

    pub(super) fn into_components(self) -> Map<String, Value> {
        self.components.into_iter().collect()
    }

    /// The schema of a message: a reference, except for well-known types.
    pub(super) fn message(&mut self, message: &MessageDescriptor, side: Side) -> Value {
        if let Some(schema) = well_known(message.full_name()) {
            return schema;
        }
        // Full names have no hyphens, so this is unique.
        let name = match side {
            Side::Response => message.full_name().to_owned(),
            Side::Request => format!("{}-request", message.full_name()),
        };
        let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
        if !self.components.contains_key(&name) {
            // Inserted before the fields are, since the message can be recursive.
            self.components.insert(name.clone(), Value::Null);
            let schema = self.object(message, side);
            self.components.insert(name, schema);
        }
        reference
    }

    fn object(&mut self, message: &MessageDescriptor, side: Side) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in message.fields() {
            let mut schema = self.field(&field, side);
            let is_optional = field.containing_oneof().is_some();
            if side == Side::Response && field.supports_presence() && !is_optional {
                schema = json!({ "anyOf": [schema, { "type": "null" }] });
            }
            self.describe(&field, &mut schema);
            if side == Side::Response && !is_optional {
                required.push(field.json_name().to_owned());
            }
            properties.insert(field.json_name().to_owned(), schema);
        }
        let mut schema = json!({ "type": "object", "properties": properties });
        let comment = self.comments.at(&message.parent_file(), message.path());
        if let Some(object) = schema.as_object_mut() {
            if !required.is_empty() {
                object.insert("required".to_owned(), json!(required));
            }
            if !comment.is_empty() {
                object.insert("description".to_owned(), json!(comment));
            }
        }
        schema
    }

    /// The schema of a field's whole value: a list, a map or a single value.
    pub(super) fn field(&mut self, field: &FieldDescriptor, side: Side) -> Value {
        match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let values = self.kind(&entry.map_entry_value_field().kind(), side);
                json!({ "type": "object", "additionalProperties": values })
            }
            kind if field.is_list() => {
                json!({ "type": "array", "items": self.kind(&kind, side) })
            }
            kind => self.kind(&kind, side),
        }
    }

    fn kind(&mut self, kind: &Kind, side: Side) -> Value {
        match kind {
            Kind::Message(message) => self.message(message, side),
            kind => scalar(kind, side),
        }
    }

    /// Adds the field's comment.
    pub(super) fn describe(&self, field: &FieldDescriptor, schema: &mut Value) {
        let comment = self.comments.at(&field.parent_message().parent_file(), field.path());
        let Some(object) = schema.as_object_mut().filter(|_| !comment.is_empty()) else { return };
        object.insert("description".to_owned(), json!(comment));
        if let Some(example) = example(comment).filter(|_| matches!(field.kind(), Kind::String)) {
            object.insert("examples".to_owned(), json!([example]));
        }
    }
}

/// The schema of a scalar in proto3 JSON.
pub(super) fn scalar(kind: &Kind, side: Side) -> Value {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            json!({ "type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX })
        }
        Kind::Uint32 | Kind::Fixed32 => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        // The pattern of requests allows no number that is out of range.
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            let pattern = if side == Side::Request { "^-?[0-9]{1,18}$" } else { "^-?[0-9]{1,19}$" };
            json!({ "type": "string", "format": "int64", "pattern": pattern })
        }
        Kind::Uint64 | Kind::Fixed64 => {
            let pattern = if side == Side::Request { "^[0-9]{1,19}$" } else { "^[0-9]{1,20}$" };
            json!({ "type": "string", "format": "uint64", "pattern": pattern })
        }
        Kind::Float | Kind::Double if side == Side::Response => {
            json!({ "anyOf": [{ "type": "number" }, { "enum": ["NaN", "Infinity", "-Infinity"] }] })
        }
        Kind::Float => json!({ "type": "number", "minimum": f32::MIN, "maximum": f32::MAX }),
        Kind::Double => json!({ "type": "number" }),
        Kind::String => json!({ "type": "string" }),
        // A client that sends the canonical form is understood everywhere.
        Kind::Bytes if side == Side::Request => {
            let pattern = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";
            json!({ "type": "string", "contentEncoding": "base64", "pattern": pattern })
        }
        Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Kind::Enum(kind) => enumeration(kind, side),
        Kind::Message(_) => json!({}),
    }
}

fn enumeration(kind: &EnumDescriptor, side: Side) -> Value {
    if kind.full_name() == "google.protobuf.NullValue" {
        return json!({ "type": "null" });
    }
    let names: Vec<_> = kind.values().map(|value| value.name().to_owned()).collect();
    match side {
        // A number without a name in the enum is written as the number.
        Side::Response => json!({ "anyOf": [{ "type": "string", "enum": names }, { "type": "integer" }] }),
        Side::Request => json!({ "type": "string", "enum": names }),
    }
}

/// The schemas of types with a special JSON form.
pub(super) fn well_known(full_name: &str) -> Option<Value> {
    let wrapped = |kind: Kind| scalar(&kind, Side::Response);
    Some(match full_name.strip_prefix("google.protobuf.")? {
        "Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "Duration" => json!({ "type": "string", "pattern": "^-?[0-9]{1,12}(\\.[0-9]{1,9})?s$" }),
        "FieldMask" => json!({ "type": "string", "description": "Paths of fields, comma-separated." }),
        "Value" => json!({}),
        "ListValue" => json!({ "type": "array" }),
        "Struct" | "Empty" => json!({ "type": "object" }),
        "Any" => json!({ "type": "object", "properties": { "@type": { "type": "string" } } }),
        "DoubleValue" | "FloatValue" => wrapped(Kind::Double),
        "Int64Value" => wrapped(Kind::Int64),
        "UInt64Value" => wrapped(Kind::Uint64),
        "Int32Value" => wrapped(Kind::Int32),
        "UInt32Value" => wrapped(Kind::Uint32),
        "BoolValue" => wrapped(Kind::Bool),
        "StringValue" => wrapped(Kind::String),
        "BytesValue" => wrapped(Kind::Bytes),
        _ => return None,
    })
}
