//! A JSON body into a message, or into one field of it.
//!
//! By the proto3 JSON mapping, through prost-reflect's deserializer. Unknown fields and unknown names of enum
//! values are ignored, as grpc-gateway's default (`DiscardUnknown`) has it. A body of white space alone is the
//! empty message; anything after the value is an error. `serde_json` ends at 128 levels, so that no body can
//! exhaust the stack. Of a key that comes twice the last counts, except in a oneof, where it is an error
//! (the mapping leaves duplicates open; protojson refuses them all). Numbers of more than fifteen digits are exact
//! as strings; bare, `serde_json` reads them to the last place only with its feature `float_roundtrip`.

use prost_reflect::{DeserializeOptions, DynamicMessage, FieldDescriptor, MessageDescriptor};
use serde::de::{
    DeserializeSeed, MapAccess,
    value::{MapAccessDeserializer, StrDeserializer},
};
use serde_json::{Deserializer, de::SliceRead};

use super::{
    error::{RequestError, brief},
    locate,
};

const OPTIONS: DeserializeOptions = DeserializeOptions::new().deny_unknown_fields(false);

/// Reads `body` as the whole message.
pub(super) fn message(descriptor: &MessageDescriptor, body: &[u8]) -> Result<DynamicMessage, RequestError> {
    if is_blank(body) {
        return Ok(DynamicMessage::new(descriptor.clone()));
    }
    let mut reader = Deserializer::from_slice(body);
    DynamicMessage::deserialize_with_options(descriptor.clone(), &mut reader, &OPTIONS)
        .and_then(|message| reader.end().map(|()| message))
        .map_err(|error| malformed(&error, body))
}

/// Reads `body` as one field of an otherwise empty message: whatever the field is, a message, a scalar, a list.
pub(super) fn field(
    descriptor: &MessageDescriptor,
    field: &FieldDescriptor,
    body: &[u8],
) -> Result<DynamicMessage, RequestError> {
    if is_blank(body) {
        return Ok(DynamicMessage::new(descriptor.clone()));
    }
    let mut reader = Deserializer::from_slice(body);
    // The message as its deserializer wants it, `{"field": body}`, without writing that out: so positions
    // stay the body's own.
    let object = OneField { name: Some(field.json_name()), reader: &mut reader };
    DynamicMessage::deserialize_with_options(descriptor.clone(), MapAccessDeserializer::new(object), &OPTIONS)
        .and_then(|message| reader.end().map(|()| message))
        .map_err(|error| malformed(&error, body))
}

struct OneField<'a, 'de> {
    name: Option<&'a str>,
    reader: &'a mut Deserializer<SliceRead<'de>>,
}

impl<'de> MapAccess<'de> for OneField<'_, 'de> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Self::Error> {
        self.name.take().map(|name| seed.deserialize(StrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Self::Error> {
        seed.deserialize(&mut *self.reader)
    }
}

fn is_blank(body: &[u8]) -> bool {
    body.trim_ascii().is_empty()
}

/// `serde_json`'s own message ends with line and column; the field is found again, since visitors do not say.
fn malformed(error: &serde_json::Error, body: &[u8]) -> RequestError {
    RequestError::Body { field: locate::field(body, error.line(), error.column()), problem: brief(error) }
}
