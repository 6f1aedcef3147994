//! The query parameters of a rule: every field that neither path nor body fills, by its dotted path.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Value, json};

use super::schema::{Schemas, Side, scalar, well_known};
use crate::transcode::{Binding, Body};

/// How deep a parameter's path may go, and how many there may be: messages that hold themselves have no end.
const DEPTH: usize = 4;
const MOST: usize = 200;

/// The parameters of `binding`, in the order of the fields.
pub(super) fn parameters(binding: &Binding, schemas: &Schemas<'_>) -> Vec<Value> {
    let mut found = Vec::new();
    if let Body::Ignored | Body::Field(_) = binding.body() {
        let mut way = Vec::new();
        gather(binding, binding.input(), &mut way, &mut found, schemas);
    }
    found
}

fn gather(
    binding: &Binding,
    message: &MessageDescriptor,
    way: &mut Vec<FieldDescriptor>,
    found: &mut Vec<Value>,
    schemas: &Schemas<'_>,
) {
    for field in message.fields() {
        if found.len() >= MOST {
            return;
        }
        way.push(field.clone());
        if !is_filled(binding, way) {
            match field.kind() {
                _ if field.is_map() => {}
                Kind::Message(inner) if well_known(inner.full_name()).is_some() => {
                    // What a text can say of them is more than a schema can.
                    found.push(parameter(way, &field, json!({ "type": "string" }), schemas));
                }
                Kind::Message(inner) => {
                    let holds_itself = way.iter().rev().skip(1).any(|above| above.kind() == field.kind());
                    if !field.is_list() && !holds_itself && way.len() < DEPTH {
                        gather(binding, &inner, way, found, schemas);
                    }
                }
                kind => found.push(parameter(way, &field, text(&kind), schemas)),
            }
        }
        way.pop();
    }
}

fn is_filled(binding: &Binding, way: &[FieldDescriptor]) -> bool {
    let in_body = matches!(binding.body(), Body::Field(body) if way.first() == Some(body));
    in_body || binding.captures().iter().any(|capture| way.starts_with(capture.fields()))
}

fn parameter(
    way: &[FieldDescriptor],
    field: &FieldDescriptor,
    schema: Value,
    schemas: &Schemas<'_>,
) -> Value {
    let mut schema = if field.is_list() { json!({ "type": "array", "items": schema }) } else { schema };
    schemas.describe(field, &mut schema);
    let names: Vec<&str> = way.iter().map(FieldDescriptor::json_name).collect();
    let mut parameter = json!({ "name": names.join("."), "in": "query", "schema": schema });
    if let Some(description) = parameter.pointer_mut("/schema/description").map(Value::take)
        && let Some(object) = parameter.as_object_mut()
    {
        object.insert("description".to_owned(), description);
        if let Some(schema) = object.get_mut("schema").and_then(Value::as_object_mut) {
            schema.remove("description");
        }
    }
    parameter
}

/// A scalar as a path or a query writes it: numbers of 64 bits have no quotes there.
pub(super) fn text(kind: &Kind) -> Value {
    match kind {
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            json!({ "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX })
        }
        Kind::Uint64 | Kind::Fixed64 => json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX }),
        kind => scalar(kind, Side::Request),
    }
}
