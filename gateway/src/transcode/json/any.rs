//! `google.protobuf.Any` as JSON.

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use bytes::Bytes;
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage, Value};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{
    form::Form,
    write::{MessageJson, entries},
};

/// The content of an `Any`.
///
/// A message of a type that the pool knows is written with its fields beside `@type`, or below `value` where the type
/// has a special JSON form. A message of another type, or one whose bytes do not decode, is written as
/// `{"@type": "…", "value": "<base64>"}`: protojson fails there, but a partly readable response is better than none.
pub(in crate::transcode) struct AnyJson {
    pool: DescriptorPool,
    type_url: String,
    value: Bytes,
    depth: usize,
}

impl AnyJson {
    pub(in crate::transcode) fn new(pool: DescriptorPool, type_url: String, value: Bytes) -> Self {
        Self { pool, type_url, value, depth: 0 }
    }

    /// The content of `message`, which must be an `Any`.
    pub(super) fn of(message: &DynamicMessage, depth: usize) -> Self {
        let field = |number| message.get_field_by_number(number).map(std::borrow::Cow::into_owned);
        let type_url = match field(1) {
            Some(Value::String(type_url)) => type_url,
            _ => String::new(),
        };
        let value = match field(2) {
            Some(Value::Bytes(value)) => value,
            _ => Bytes::new(),
        };
        Self { pool: message.descriptor().parent_pool().clone(), type_url, value, depth }
    }

    fn decoded(&self) -> Option<DynamicMessage> {
        let descriptor = Form::type_of_url(&self.pool, &self.type_url)?;
        DynamicMessage::decode(descriptor, self.value.clone()).ok()
    }

    /// The form for content that cannot be decoded.
    pub(in crate::transcode) fn encoded(&self) -> impl Serialize {
        let value = Base64Display::new(&self.value, &STANDARD).to_string();
        std::collections::BTreeMap::from([("@type", self.type_url.clone()), ("value", value)])
    }
}

impl Serialize for AnyJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.type_url.is_empty() && self.value.is_empty() {
            return serializer.serialize_map(Some(0))?.end();
        }
        let Some(message) = self.decoded() else {
            return self.encoded().serialize(serializer);
        };
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("@type", &self.type_url)?;
        let depth = self.depth + 1;
        if Form::is_special(message.descriptor().full_name()) {
            object.serialize_entry("value", &MessageJson { message: &message, depth })?;
        } else {
            entries(&mut object, &message, depth)?;
        }
        object.end()
    }
}
