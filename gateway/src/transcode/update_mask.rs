//! The field mask a PATCH gets from its own body.
//!
//! grpc-gateway's patch feature, on by default there: where the body is one field of the request and the
//! request has one `google.protobuf.FieldMask` that the client left unset, the mask names the fields that the
//! body holds. So a client can PATCH `{"title":"x"}` and have nothing else changed.

use http::Method;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value as Field};
use serde_json::Value;

use super::{
    binding::Body,
    field_path::{set, singular_message},
};

/// The mask's field, where the feature applies to a rule.
pub(super) fn field(
    input: &MessageDescriptor,
    method: Option<&Method>,
    body: &Body,
) -> Option<FieldDescriptor> {
    let patches_message = matches!(body, Body::Field(body) if singular_message(body).is_some());
    if method != Some(&Method::PATCH) || !patches_message {
        return None;
    }
    let is_mask = |field: &FieldDescriptor| {
        singular_message(field).is_some_and(|message| message.full_name() == "google.protobuf.FieldMask")
    };
    let mut masks = input.fields().filter(is_mask);
    masks.next().filter(|_| masks.next().is_none())
}

/// Fills `mask` of `request` with the fields that `json` names of `target`, unless the client filled it.
pub(super) fn complete(
    request: &mut DynamicMessage,
    mask: &FieldDescriptor,
    target: &FieldDescriptor,
    json: &[u8],
) -> Result<(), String> {
    let (Kind::Message(mask_type), Kind::Message(target)) = (mask.kind(), target.kind()) else {
        return Ok(());
    };
    let paths_field = mask_type.get_field(1).ok_or("the descriptor is not the published one")?;
    let current = request.get_field(mask);
    if current.as_message().is_some_and(|mask| mask.has_field(&paths_field)) {
        return Ok(());
    }
    drop(current);

    let mut paths = Vec::new();
    // The body is known to be JSON, or to be blank; then the mask is empty.
    collect(&serde_json::from_slice(json).unwrap_or_default(), &target, "", &mut paths);
    paths.sort_unstable();
    let mut made = DynamicMessage::new(mask_type);
    set(&mut made, &paths_field, Field::List(paths.into_iter().map(Field::String).collect()))?;
    set(request, mask, Field::Message(made))
}

/// "A repeated field is not allowed except at the last position of a paths string" (`field_mask.proto`): lists
/// and maps are named whole, and so are well-known types, whose JSON does not show their fields.
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
