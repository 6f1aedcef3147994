//! The query parameters of a rule: every field that neither path nor body sets, by its dotted path.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Value, json};

use super::schema::{Schemas, Side, scalar, well_known};
use crate::transcode::{Binding, Body};

/// Bounds, since recursive messages have infinitely many paths.
const MAX_DEPTH: usize = 4;
const MAX_PARAMETERS: usize = 200;

/// The parameters of `binding`, in the order of the fields.
pub(super) fn parameters(binding: &Binding, schemas: &Schemas<'_>) -> Vec<Value> {
    let mut found = Vec::new();
    if let Body::Ignored | Body::Field(_) = binding.body() {
        let mut path = Vec::new();
        gather(binding, binding.input(), &mut path, &mut found, schemas);
    }
    found
}

fn gather(
    binding: &Binding,
    message: &MessageDescriptor,
    path: &mut Vec<FieldDescriptor>,
    found: &mut Vec<Value>,
    schemas: &Schemas<'_>,
) {
    for field in message.fields() {
        if found.len() >= MAX_PARAMETERS {
            return;
        }
        path.push(field.clone());
        if !binding.sets_beside_query(path) {
            match field.kind() {
                _ if field.is_map() => {}
                Kind::Message(inner) if well_known(inner.full_name()).is_some() => {
                    // Their text forms are more than a schema can express.
                    found.push(parameter(path, &field, json!({ "type": "string" }), schemas));
                }
                Kind::Message(inner) => {
                    let is_recursive = path.iter().rev().skip(1).any(|above| above.kind() == field.kind());
                    if !field.is_list() && !is_recursive && path.len() < MAX_DEPTH {
                        gather(binding, &inner, path, found, schemas);
                    }
                }
                kind => found.push(parameter(path, &field, text(&kind), schemas)),
            }
        }
        path.pop();
    }
}

fn parameter(
    path: &[FieldDescriptor],
    field: &FieldDescriptor,
    schema: Value,
    schemas: &Schemas<'_>,
) -> Value {
    let mut schema = if field.is_list() { json!({ "type": "array", "items": schema }) } else { schema };
    schemas.describe(field, &mut schema);
    let names: Vec<&str> = path.iter().map(FieldDescriptor::json_name).collect();
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

/// The schema of a scalar in a path or a query, where 64-bit integers have no quotes.
pub(super) fn text(kind: &Kind) -> Value {
    match kind {
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            json!({ "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX })
        }
        Kind::Uint64 | Kind::Fixed64 => json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX }),
        kind => scalar(kind, Side::Request),
    }
}
