//! The field mask that a PATCH gets from its own body.
//!
//! This is grpc-gateway's patch feature, which is on by default: where the body is one field of the request, and the
//! request has one `google.protobuf.FieldMask` that the client left unset, the mask lists the fields in the body. So a
//! client can PATCH `{"title":"x"}` and change nothing else.

use std::fmt;

use http::Method;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

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
    let fields = Fields { message: &target, path: "", paths: &mut paths };
    let _ = fields.deserialize(&mut serde_json::Deserializer::from_slice(json));
    paths.sort_unstable();
    let mut made = DynamicMessage::new(mask_type);
    set(&mut made, &paths_field, Value::List(paths.into_iter().map(Value::String).collect()))?;
    set(request, mask, Value::Message(made))
}

/// Collects the paths of the fields in an object, without keeping its values.
///
/// "A repeated field is not allowed except at the last position of a paths string" (`field_mask.proto`): a list or a
/// map is one path, and so is a well-known type, whose JSON does not show its fields.
struct Fields<'a> {
    message: &'a MessageDescriptor,
    /// The path of the object; empty for the body itself.
    path: &'a str,
    paths: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object or null")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.paths.extend(Some(self.path.to_owned()).filter(|path| !path.is_empty()));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Self { message, path, paths } = self;
        let mut is_empty = true;
        while let Some(key) = object.next_key::<String>()? {
            is_empty = false;
            let field = message.get_field_by_json_name(&key).or_else(|| message.get_field_by_name(&key));
            let Some(field) = field else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            let path =
                if path.is_empty() { field.name().to_owned() } else { format!("{path}.{}", field.name()) };
            let below = singular_message(&field).filter(|below| below.package_name() != "google.protobuf");
            if let Some(below) = below {
                object.next_value_seed(Fields { message: &below, path: &path, paths })?;
            } else {
                object.next_value::<IgnoredAny>()?;
                paths.push(path);
            }
        }
        if is_empty { Fields { message, path, paths }.visit_unit() } else { Ok(()) }
    }
}
