//! A JSON body as a message, or as one field of it.
//!
//! A blank body is the empty message. `serde_json` stops at 128 levels, so no body can exhaust the stack.

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor};

use super::{
    budget::Budget,
    error::RequestError,
    field_path::set,
    json::{self, ReadError},
};

/// Reads a message from its proto3 JSON, as a request with that body is read.
///
/// # Errors
/// The text is not the JSON of such a message, or the message would take too much memory.
pub fn message_from_json(
    descriptor: &MessageDescriptor,
    json: &[u8],
) -> Result<DynamicMessage, RequestError> {
    message(descriptor, json, &Budget::of(json.len()))
}

/// Reads `body` as the whole message.
pub(super) fn message(
    descriptor: &MessageDescriptor,
    body: &[u8],
    budget: &Budget,
) -> Result<DynamicMessage, RequestError> {
    if body.trim_ascii().is_empty() {
        return Ok(DynamicMessage::new(descriptor.clone()));
    }
    json::message(descriptor, body, budget, 0).map_err(|error| invalid(error, budget))
}

/// Reads `body` as one field of an otherwise empty message, whatever the field's type is.
pub(super) fn field(
    descriptor: &MessageDescriptor,
    field: &FieldDescriptor,
    body: &[u8],
    budget: &Budget,
) -> Result<DynamicMessage, RequestError> {
    let mut message = DynamicMessage::new(descriptor.clone());
    if body.trim_ascii().is_empty() {
        return Ok(message);
    }
    if let Some(value) = json::field(field, body, budget).map_err(|error| invalid(error, budget))? {
        set(&mut message, field, value).map_err(|problem| RequestError::Body { field: None, problem })?;
    }
    Ok(message)
}

fn invalid(ReadError { field, problem }: ReadError, budget: &Budget) -> RequestError {
    match budget.exceeded() {
        Some(problem) => RequestError::TooLarge(problem),
        None => RequestError::Body { field, problem },
    }
}
