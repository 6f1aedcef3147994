//! The field mask that a PATCH gets from its own body.
//!
//! This is grpc-gateway's patch feature, which is on by default: where the body is one field of the request, and the
//! request has one `google.protobuf.FieldMask` that the client left unset, the mask lists the fields in the body. So a
//! client can PATCH `{"title":"x"}` and change nothing else.

use http::Method;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value as Field};
use serde_json::Value;

use super::field_path::{set, singular_message};

/// The mask's field, where the feature applies to a rule whose body sets the field `body`.
pub(super) fn field(
    input: &MessageDescriptor,
    method: Option<&Method>,
    body: Option<&FieldDescriptor>,
) -> Option<FieldDescriptor> {
    if method != Some(&Method::PATCH) || body.and_then(singular_message).is_none() {
        return None;
    }
    let is_mask = |field: &FieldDescriptor| {
        singular_message(field).is_some_and(|message| message.full_name() == "google.protobuf.FieldMask")
    };
    let mut masks = input.fields().filter(is_mask);
    masks.next().filter(|_| masks.next().is_none())
}

/// Sets `mask` of `request` to the fields of `target` that `json` contains, unless the client set it.
pub(super) fn complete(
    request: &mut DynamicMessage,
    mask: &FieldDescriptor,
    target: &FieldDescriptor,
    json: &[u8],
) -> Result<(), String> {
    let (Kind::Message(mask_type), Kind::Message(target)) = (mask.kind(), target.kind()) else {
        return Ok(());
    };
    let paths_field = mask_type
        .get_field(1)
        .ok_or("the descriptor of google.protobuf.FieldMask is not the published one")?;
    let current = request.get_field(mask);
    if current.as_message().is_some_and(|mask| mask.has_field(&paths_field)) {
        return Ok(());
    }
    drop(current);

    let mut paths = Vec::new();
    // The body has been read as JSON already, or is blank: then the mask is empty.
    collect(&serde_json::from_slice(json).unwrap_or_default(), &target, "", &mut paths);
    paths.sort_unstable();
    let mut made = DynamicMessage::new(mask_type);
    set(&mut made, &paths_field, Field::List(paths.into_iter().map(Field::String).collect()))?;
    set(request, mask, Field::Message(made))
}

/// "A repeated field is not allowed except at the last position of a paths string" (`field_mask.proto`): a list or a
/// map is one path, and so is a well-known type, whose JSON does not show its fields.
fn collect(json: &Value, message: &MessageDescriptor, above: &str, paths: &mut Vec<String>) {
    let Value::Object(entries) = json else {
        return;
    };
    for (key, value) in entries {
        let field = message.get_field_by_json_name(key).or_else(|| message.get_field_by_name(key));
        let Some(field) = field else {
            continue;
        };
        let path =
            if above.is_empty() { field.name().to_owned() } else { format!("{above}.{}", field.name()) };
        match (singular_message(&field), value) {
            (Some(below), Value::Object(entries))
                if !entries.is_empty() && below.package_name() != "google.protobuf" =>
            {
                collect(value, &below, &path, paths);
            }
            _ => paths.push(path),
        }
    }
}
