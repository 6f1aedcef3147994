//! Dotted paths to fields: resolving them, and following them in a message.

use std::fmt;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

/// A path to a scalar field. Every step exists.
#[derive(Clone)]
pub struct FieldPath {
    name: String,
    fields: Vec<FieldDescriptor>,
}

impl FieldPath {
    /// Resolves a path template's variable by the names in the .proto file, as `HttpRule` requires.
    pub(super) fn of_scalar(message: &MessageDescriptor, names: &[String]) -> Result<Self, String> {
        let path = names.join(".");
        let mut owner = Some(message.clone());
        let mut fields = Vec::with_capacity(names.len());
        for name in names {
            let Some(message) = owner else {
                return Err(format!("`{path}` continues below a field that is not a message"));
            };
            let Some(field) = message.get_field_by_name(name) else {
                return Err(format!("`{path}`: {} has no field `{name}`", message.full_name()));
            };
            owner = singular_message(&field);
            if field.is_list() || field.is_map() {
                return Err(format!(
                    "`{path}` is repeated: a path variable can set only a field with a single value"
                ));
            }
            fields.push(field);
        }
        match owner {
            Some(message) => Err(format!(
                "`{path}` is a {}: a path variable can set only a scalar field",
                message.full_name()
            )),
            None => Ok(Self { name: path, fields }),
        }
    }

    /// The path as the template writes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The field at the path's end.
    pub fn field(&self) -> Option<&FieldDescriptor> {
        self.fields.last()
    }

    /// The fields along the path.
    pub(crate) fn fields(&self) -> &[FieldDescriptor] {
        &self.fields
    }
}

impl fmt::Debug for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("FieldPath").field(&self.name).finish()
    }
}

/// The type of a field that holds a single message; `None` for scalars, lists and maps.
pub(super) fn singular_message(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(message) if !field.is_list() && !field.is_map() => Some(message),
        _ => None,
    }
}

/// Follows `path`, creates the messages on the way, and returns the last field with the message that holds it.
///
/// # Errors
/// When a step is a member of a oneof of which the request has already set another member.
pub(super) fn reach<'m, 'f>(
    message: &'m mut DynamicMessage,
    path: &'f [FieldDescriptor],
) -> Result<(&'m mut DynamicMessage, &'f FieldDescriptor), String> {
    let (field, parents) = path.split_last().ok_or("the path is empty")?;
    let mut owner = message;
    for parent in parents {
        check_oneof(owner, parent)?;
        owner = owner.get_field_mut(parent).as_message_mut().ok_or("the path continues below a scalar")?;
    }
    check_oneof(owner, field)?;
    Ok((owner, field))
}

/// Sets a field of a message. A value of the wrong type is an error and not a panic.
pub(super) fn set(owner: &mut DynamicMessage, field: &FieldDescriptor, value: Value) -> Result<(), String> {
    owner.try_set_field(field, value).map_err(|_| "the value has the wrong type for the field".to_owned())
}

pub(super) fn check_oneof(owner: &DynamicMessage, field: &FieldDescriptor) -> Result<(), String> {
    let Some(oneof) = field.containing_oneof() else {
        return Ok(());
    };
    match oneof.fields().find(|other| other != field && owner.has_field(other)) {
        Some(other) => Err(format!(
            "`{}` is already set, and only one field of oneof `{}` can be set",
            other.name(),
            oneof.name()
        )),
        None => Ok(()),
    }
}
